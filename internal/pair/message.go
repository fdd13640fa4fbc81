package pair

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/omflow/booster/internal/trust"
)

// PacketKind is the kind of the pair's packets among those that nodes send each other.
const PacketKind byte = 1

// MaxMessage bounds a message as JSON. The largest, with names of 63 bytes and
// numbers of 20 digits everywhere, has about 900.
const MaxMessage = 1200

// wireVersion is raised when a node of before would misunderstand.
const wireVersion = 1

// kind says what a message is.
type kind string

const (
	kindBeat   kind = "beat"   // a booster to the other and to the witnesses
	kindAck    kind = "ack"    // a witness to the active booster's beat
	kindAsk    kind = "ask"    // a standby booster that would be active, to all
	kindAnswer kind = "answer" // to that
	kindHello  kind = "hello"  // to a message of which it can't be told whether it is fresh
)

// verdict is an ack's or answer's.
type verdict string

const (
	granted  verdict = "granted"  // take the term; or, of a beat: you are heard
	hears    verdict = "hears"    // an active booster is heard
	promised verdict = "promised" // the other has been granted a term just now
	outdated verdict = "outdated" // a higher term was in use already
	starting verdict = "starting" // it runs for too short a time to know
)

// message is what travels in one packet.
type message struct {
	Version int    `json:"v"`
	Kind    kind   `json:"k"`
	From    string `json:"f"`
	To      string `json:"t"`
	// Run is a random number that the sender took when it started, Seq counts
	// its messages to this receiver, from where says link.
	Run uint64 `json:"r"`
	Seq uint64 `json:"s"`
	// EchoRun and EchoSeq are the receiver's newest message that the sender
	// took; in an answer and an ack, the message that it is for.
	EchoRun uint64 `json:"er,omitempty"`
	EchoSeq uint64 `json:"es,omitempty"`

	// Role and State are the sender's, if it is a booster.
	Role  Role  `json:"o,omitempty"`
	State State `json:"st,omitempty"`
	// Term is the highest term that the sender knows was used, Ask the one that
	// it would use.
	Term uint64 `json:"n"`
	Ask  uint64 `json:"a,omitempty"`
	// Failover is the sender's failover_after in milliseconds.
	Failover int64 `json:"fo,omitempty"`
	// Vote, of an active booster: the receiver has the casting vote.
	Vote bool `json:"cv,omitempty"`
	// Want, of a standby: it would like to take over. Yield, of an active: do.
	Want  bool `json:"w,omitempty"`
	Yield bool `json:"y,omitempty"`
	// Free, of a standby: it counts on nobody's word, nor asks for one.
	Free bool `json:"fr,omitempty"`
	// List are the witnesses that the sender knows of.
	List list `json:"l,omitzero"`
	// Verdict is an ack's or answer's.
	Verdict verdict `json:"vd,omitempty"`
	// Wait is in how many milliseconds a verdict other than granted may be
	// another one, 0 if that is not known.
	Wait int64 `json:"wt,omitempty"`
}

// list are witnesses. A higher id is a newer list.
type list struct {
	// Term is the term in which it was made, Serial counts within that.
	Term   uint64   `json:"n,omitempty"`
	Serial uint64   `json:"s,omitempty"`
	Names  []string `json:"w,omitempty"`
}

func (l list) newer(than list) bool {
	return l.Term > than.Term || l.Term == than.Term && l.Serial > than.Serial
}

func (l list) is(o list) bool { return l.Term == o.Term && l.Serial == o.Serial }

func (l list) validate() error {
	if len(l.Names) > MaxWitnesses {
		return fmt.Errorf("%d witnesses, more than %d", len(l.Names), MaxWitnesses)
	}
	for i, name := range l.Names {
		if !trust.ValidName(name) || slices.Contains(l.Names[:i], name) {
			return fmt.Errorf("witness %.80q is no node name, or comes twice", name)
		}
	}
	return nil
}

// failover returns Failover within the bounds of a configuration, so that
// nobody is kept waiting for ever.
func (m message) failover() time.Duration {
	return time.Duration(min(max(m.Failover, MinFailover.Milliseconds()), MaxFailover.Milliseconds())) * time.Millisecond
}

func (m message) encode() ([]byte, error) {
	m.Version = wireVersion
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("encode message: %d bytes, more than %d", len(b), MaxMessage)
	}
	return b, nil
}

// decodeMessage reads a message. Fields that it does not know are left to later
// versions.
func decodeMessage(b []byte) (message, error) {
	if len(b) > MaxMessage {
		return message{}, fmt.Errorf("decode message: %d bytes, more than %d", len(b), MaxMessage)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return message{}, fmt.Errorf("decode message: %w", err)
	}
	if err := m.validate(); err != nil {
		return message{}, fmt.Errorf("decode message: %w", err)
	}
	return m, nil
}

func (m message) validate() error {
	if m.Version != wireVersion {
		return fmt.Errorf("version %d instead of %d", m.Version, wireVersion)
	}
	if !trust.ValidName(m.From) || !trust.ValidName(m.To) || m.From == m.To {
		return fmt.Errorf("from %.80q to %.80q", m.From, m.To)
	}
	if m.Run == 0 || m.Seq == 0 {
		return errors.New("it has no number")
	}
	if m.Term > maxTerm || m.Ask > maxTerm || m.List.Term > maxTerm {
		return errors.New("its term is out of range")
	}
	if m.Role != "" || m.Kind == kindBeat || m.Kind == kindAsk {
		if m.Role != Primary && m.Role != Secondary || m.State != Active && m.State != Standby {
			return fmt.Errorf("a booster of role %.40q and state %.40q", m.Role, m.State)
		}
	}
	switch m.Kind {
	case kindBeat, kindAsk, kindHello:
	case kindAck, kindAnswer:
		if !slices.Contains([]verdict{granted, hears, promised, outdated, starting}, m.Verdict) {
			return fmt.Errorf("verdict %.40q is not known", m.Verdict)
		}
	default:
		return fmt.Errorf("kind %.40q is not known", m.Kind)
	}
	return m.List.validate()
}
