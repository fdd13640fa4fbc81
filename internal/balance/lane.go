package balance

import (
	"fmt"
	"strings"
)

// Lane is the class of a request for queueing. Requests of one lane are served
// first come, first served.
type Lane uint8

const (
	// Session is a request somebody waits for: pages, clicks, polls and
	// everything unknown.
	Session Lane = iota
	// Flow is bulk work by programs.
	Flow
	// Control changes the memory or disk of the process that serves it.
	Control
	// File reads or writes files on the disk of the server that serves it.
	File
	// Static is a file that is the same on every server and needs no session.
	Static

	// Lanes is the number of lanes, for tables that are indexed by Lane.
	Lanes = int(Static) + 1
)

var laneNames = [Lanes]string{"session", "flow", "control", "file", "static"}

// String returns the lane's name as it is written in the Caddyfile, in
// metrics and in the status.
func (l Lane) String() string {
	if int(l) < len(laneNames) {
		return laneNames[l]
	}
	return fmt.Sprintf("lane(%d)", uint8(l))
}

// ParseLane returns the lane of that name. Names are lower case. The error of
// an unknown name lists the known ones.
func ParseLane(name string) (Lane, error) {
	for i, n := range laneNames {
		if n == name {
			return Lane(i), nil
		}
	}
	return 0, fmt.Errorf("unknown lane %q: use one of %s", name, strings.Join(laneNames[:], ", "))
}
