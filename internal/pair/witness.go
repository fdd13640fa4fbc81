package pair

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/trust"
)

// maxBoosters is how many senders a witness keeps track of: there are two, and
// each may be replaced by another name now and then.
const maxBoosters = 8

// witness is what an agent does for the pair: it remembers which booster it
// hears as active, and promises no more than one of them a term at a time. It
// is as pure as machine.
type witness struct {
	name    string
	run     uint64
	started time.Duration
	now     time.Duration
	links   []*link // the one heard last comes last

	term   uint64        // the highest in which a booster was heard as active
	leader string        // that booster
	until  time.Duration // it counts as heard until then
	given  promise       // whom this witness stands by, as an ack or a grant has said
	list   list

	refused uint64
}

func newWitness(name string, run uint64, now time.Duration) *witness {
	return &witness{name: name, run: run, started: now, now: now}
}

// receive takes a message and returns the answer; ok is false when there is
// none.
func (w *witness) receive(in message, now time.Duration) (out message, ok bool) {
	w.now = max(w.now, now)
	if in.To != w.name || in.Kind != kindBeat && in.Kind != kindAsk && in.Kind != kindHello {
		w.refused++
		return message{}, false
	}
	l := w.link(in.From)
	if !l.take(in, w.now) {
		w.refused++
		if l.greet(in, w.now) {
			return l.stamp(greeting(w.name, in), w.now), true
		}
		return message{}, false
	}
	out = message{From: w.name, EchoRun: in.Run, EchoSeq: in.Seq}
	switch {
	case in.Kind == kindBeat && in.State == Active:
		out.Kind, out.Verdict = kindAck, w.hear(in)
	case in.Kind == kindAsk:
		out.Kind, out.Verdict = kindAnswer, w.judge(in)
		if wait := max(w.until, w.given.until) - w.now; out.Verdict == hears || out.Verdict == promised {
			out.Wait = int64((wait + time.Millisecond - 1) / time.Millisecond)
		}
	default:
		if in.List.newer(w.list) {
			w.list = in.List
		}
		w.release(in)
		return message{}, false
	}
	out.Term, out.List = w.term, w.list
	return l.stamp(out, w.now), true
}

// warm says whether this witness runs for long enough to be asked: what it
// heard or promised before its start, it does not know.
func (w *witness) warm(failover time.Duration) bool { return w.now-w.started >= failover }

// hear takes the beat of an active booster.
func (w *witness) hear(in message) verdict {
	if in.Term < w.term || in.Term == w.term && in.From != w.leader {
		return outdated
	}
	if in.Term > w.term {
		w.term, w.leader = in.Term, in.From
	}
	w.until = w.now + in.failover()
	if in.List.newer(w.list) {
		w.list = in.List
	}
	switch {
	case !w.warm(in.failover()):
		return starting
	case w.given.to != in.From && w.now < w.given.until:
		return promised
	}
	w.given = promise{to: in.From, until: w.until}
	return granted
}

// release ends at once what would end by itself: in.From, which was stood by or
// heard as active, says that it is neither active nor would be. All that it
// asked before that, it has given up; what it asked after that has a higher
// number than in and was not taken yet.
func (w *witness) release(in message) {
	if !in.Free || in.Kind != kindBeat {
		return
	}
	if w.given.to == in.From {
		w.given = promise{}
	}
	if w.leader == in.From {
		w.until = min(w.until, w.now)
	}
}

// judge answers whether in.From may become active in in.Ask.
func (w *witness) judge(in message) verdict {
	switch {
	case in.Ask <= w.term:
		return outdated
	case !w.warm(in.failover()):
		return starting
	case w.leader != "" && w.leader != in.From && w.now < w.until:
		return hears
	case w.given.to != in.From && w.now < w.given.until:
		return promised
	}
	w.given = promise{to: in.From, until: w.now + in.failover()}
	return granted
}

// link returns the link to a booster, and forgets the one that was silent for
// longest when there are too many.
func (w *witness) link(name string) *link {
	i := slices.IndexFunc(w.links, func(l *link) bool { return l.name == name })
	var l *link
	switch {
	case i >= 0:
		l = w.links[i]
		w.links = slices.Delete(w.links, i, i+1)
	default:
		if len(w.links) == maxBoosters {
			w.links = slices.Delete(w.links, 0, 1)
		}
		l = newLink(name, w.run, w.now)
	}
	w.links = append(w.links, l)
	return l
}

// hears returns the booster that is heard as active, and its term.
func (w *witness) hears(now time.Duration) (name string, term uint64) {
	if now >= w.until {
		return "", w.term
	}
	return w.leader, w.term
}

// WitnessConfig says who a witness is.
type WitnessConfig struct {
	// Name is the node's name.
	Name string

	clock func() time.Duration // tests only
}

// Validate says what is wrong with the configuration.
func (c WitnessConfig) Validate() error {
	if !trust.ValidName(c.Name) {
		return fmt.Errorf("witness: %.80q is no node name", c.Name)
	}
	return nil
}

// Witness answers the boosters' beats and questions. It keeps nothing on disk
// and starts no goroutine: a witness that was restarted stands by nobody until
// it has listened for a failover time. All methods may be called concurrently.
type Witness struct {
	clock   func() time.Duration
	refused atomic.Uint64

	mu sync.Mutex
	w  *witness
}

// NewWitness makes a witness, which knows of nothing before this moment.
func NewWitness(c WitnessConfig) (*Witness, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.clock == nil {
		c.clock = boottime.Now
	}
	return &Witness{clock: c.clock, w: newWitness(c.Name, newRun(), c.clock())}, nil
}

// Receive takes what a booster has sent and, if it is to be answered, calls
// reply before it returns: with a packet for where that came from. An answer
// that can't be sent is one that was lost.
func (w *Witness) Receive(b []byte, reply func([]byte) error) {
	in, err := decodeMessage(b)
	if err != nil {
		w.refused.Add(1)
		return
	}
	w.mu.Lock()
	out, ok := w.w.receive(in, w.clock())
	w.refused.Add(w.w.refused)
	w.w.refused = 0
	w.mu.Unlock()
	if !ok {
		return
	}
	if b, err := out.encode(); err == nil { // it is always short enough
		_ = reply(b)
	}
}

// Active returns the booster that is heard as active, "" if none is, and the
// highest term that was heard. An agent obeys no lower one.
func (w *Witness) Active() (name string, term uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.hears(w.clock())
}

// Refused counts what could not be read, was a recording, or was not for a
// witness.
func (w *Witness) Refused() uint64 { return w.refused.Load() }
