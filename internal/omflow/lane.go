package omflow

import (
	"fmt"

	"github.com/omflow/booster/internal/balance"
)

// Lane is the class of a request for queueing and routing.
type Lane = balance.Lane

// The lanes, and which requests of OMFLOW are in them.
const (
	// Session is a request somebody waits for: pages, clicks, polls and
	// everything unknown.
	Session = balance.Session
	// Flow is bulk work by programs: calls under /rest/ and the token request
	// that comes before them.
	Flow = balance.Flow
	// Control changes the memory or disk of the process that serves it, and so
	// belongs on the lead server.
	Control = balance.Control
	// File reads or writes files on the disk of the server that serves it.
	File = balance.File
	// Static is a file that is the same on every server and needs no session.
	Static = balance.Static
)

// rank orders lanes by the harm that is done when a request is put into the
// wrong one: a control request on a follower, a file request on a server that
// lacks the file, work that crowds out people, static files last.
func rank(l Lane) int {
	switch l {
	case Control:
		return 4
	case File:
		return 3
	case Flow:
		return 2
	case Session:
		return 1
	default:
		return 0
	}
}

// Class says what may be done with a request that was already written to a
// server when the connection broke. A request of which no byte was written
// may go to another server whatever its class. Classes are ordered: the
// greater one allows less.
type Class uint8

const (
	// Read changes nothing and may be repeated.
	Read Class = iota
	// Guarded changes something, but a repeat changes nothing more
	// (idempotent in the sense of RFC 9110 §9.2.2); it may be repeated.
	Guarded
	// Create must never be written twice.
	Create
)

// String returns the class's name as it is written in logs.
func (c Class) String() string {
	switch c {
	case Read:
		return "read"
	case Guarded:
		return "guarded"
	case Create:
		return "create"
	default:
		return fmt.Sprintf("class(%d)", uint8(c))
	}
}

// Repeatable reports whether a request of this class may be sent again after
// it was written to a server that did not answer.
func (c Class) Repeatable() bool { return c < Create }
