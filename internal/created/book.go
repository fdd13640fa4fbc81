package created

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// keepTime is how long, at least, a number is remembered that was given away: far
	// longer than anybody looks for a create.
	keepTime = 5 * time.Minute
	// maxKept bounds the numbers that are remembered for keepTime, and as many of the time
	// before. When there are more, older ones are forgotten earlier: at 300 tickets a
	// second after three minutes.
	maxKept = 60_000
	// afterTime is how old a number may be that a create's own is said to be larger than:
	// whatever was given away after it is remembered still, by all boosters, while the create
	// is looked for.
	afterTime = keepTime / 2
	// maxFlows bounds the flows of which something is remembered. OMFLOW has some hundred.
	maxFlows = 10_000
)

// Book is what one booster notes of the creates that come through it. NewBook makes one.
// Any number of goroutines may use it.
type Book struct {
	began time.Time

	mu      sync.Mutex
	last    uint64
	open    map[uint64]*Entry // on their way
	ended   chan struct{}     // closed when one of them ends; nil when nobody waits
	given   map[ticket]string // and for whom it was reserved, "" where it was answered
	before  map[ticket]string // of the time before given
	turned  time.Time
	largest map[string]latest    // by flow
	vague   map[string]time.Time // when a create was answered last with who knows what, by flow
}

// latest is the largest number of a flow that was given away, and when.
type latest struct {
	no int64
	at time.Time
}

type ticket struct {
	flow string // "" where it is not known
	no   int64
}

// NewBook returns an empty Book.
func NewBook() *Book {
	now := time.Now()
	return &Book{began: now, turned: now, open: make(map[uint64]*Entry), given: make(map[ticket]string),
		largest: make(map[string]latest), vague: make(map[string]time.Time)}
}

// Entry is one create on its way to a server.
type Entry struct {
	book   *Book
	number uint64
	flow   string
	// after is the largest number that was given away before.
	after int64
	sent  time.Time
	lost  bool
}

// After is the largest number of its flow that was given away before it was sent, 0 if none
// is known of the last minutes.
func (e *Entry) After() int64 { return e.after }

// Sent is when it was begun.
func (e *Entry) Sent() time.Time { return e.sent }

// Flow is its flow's UUID, "" where that is not known.
func (e *Entry) Flow() string { return e.flow }

// Begin notes a create that is about to be sent. flow is its flow's UUID; anything else
// counts as not known, and it may be of any flow.
func (b *Book) Begin(flow string) *Entry {
	if !flowForm.MatchString(flow) {
		flow = ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	e := &Entry{book: b, number: b.last, flow: flow, sent: time.Now()}
	if l := b.largest[flow]; e.sent.Sub(l.at) < afterTime {
		e.after = l.no
	}
	b.open[e.number] = e
	return e
}

// End notes that a create is not on its way any more: it was answered with the number of a
// ticket, or with 0 for none, or nobody will know. It may be called twice.
func (e *Entry) End(no int64) {
	b := e.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, open := b.open[e.number]; !open {
		return
	}
	if no > 0 {
		b.give(ticket{e.flow, no}, "")
	}
	delete(b.open, e.number)
	b.tell()
}

// Vague ends a create, as End does, that was answered with success, and perhaps with a number
// that was not understood. Of its flow nothing is settled then for some minutes.
func (e *Entry) Vague() {
	b := e.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, open := b.open[e.number]; !open {
		return
	}
	flow := e.flow
	if _, known := b.vague[flow]; !known && len(b.vague) >= maxFlows {
		flow = "" // of any
	}
	b.vague[flow] = time.Now()
	delete(b.open, e.number)
	b.tell()
}

// isVague reports whether it is not clear what was answered of a flow. The caller holds b.mu.
func (b *Book) isVague(flow string) bool {
	for _, f := range []string{flow, ""} {
		if at, known := b.vague[f]; known && time.Since(at) < 2*keepTime {
			return true
		}
	}
	return false
}

// Lose notes that a create's server died: nobody waits for it any more who settles.
func (e *Entry) Lose() {
	b := e.book
	b.mu.Lock()
	defer b.mu.Unlock()
	e.lost = true
	b.tell()
}

// tell wakes those who wait for an end. The caller holds b.mu.
func (b *Book) tell() {
	if b.ended != nil {
		close(b.ended)
		b.ended = nil
	}
}

// give notes a number. The caller holds b.mu.
func (b *Book) give(t ticket, reserved string) {
	now := time.Now()
	if len(b.given) >= maxKept || now.Sub(b.turned) >= keepTime {
		b.before, b.given, b.turned = b.given, make(map[ticket]string), now
	}
	b.given[t] = reserved
	if t.flow == "" {
		return
	}
	if len(b.largest) >= maxFlows {
		clear(b.largest)
	}
	if b.largest[t.flow].no <= t.no {
		b.largest[t.flow] = latest{t.no, now}
	}
}

// has reports whether a number was given away, and for whom it was reserved. The caller holds
// b.mu.
func (b *Book) has(t ticket) (reserved string, has bool) {
	if reserved, has = b.given[t]; !has {
		reserved, has = b.before[t]
	}
	return reserved, has
}

var (
	errVague    = errors.New("a ticket with one of these numbers was answered for a flow that was not known")
	errAnswered = errors.New("a create of the flow was answered in a way that is not understood")
)

// Settle waits until all creates have ended, or are lost, that may be of the flow and are on
// their way now, and returns which of the numbers were not given away by then. It fails
// with ctx's error, and when it is not clear whether one of them was.
func (b *Book) Settle(ctx context.Context, s Settle) (Settled, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := b.last
	for b.busy(s.Flow, until) {
		if b.ended == nil {
			b.ended = make(chan struct{})
		}
		ended := b.ended
		b.mu.Unlock()
		select {
		case <-ended:
			b.mu.Lock()
		case <-ctx.Done():
			b.mu.Lock()
			return Settled{}, fmt.Errorf("wait for creates of the same flow: %w", ctx.Err())
		}
	}
	if b.isVague(s.Flow) {
		return Settled{}, errAnswered
	}
	answer := Settled{Open: []int64{}, Age: time.Since(b.began)}
	for _, no := range s.Numbers {
		if _, has := b.has(ticket{"", no}); has {
			return Settled{}, errVague
		}
		if reserved, has := b.has(ticket{s.Flow, no}); !has || reserved != "" && reserved == s.For {
			answer.Open = append(answer.Open, no)
		}
	}
	return answer, nil
}

// busy reports whether a create is on its way that may be of the flow and is not newer. The
// caller holds b.mu.
func (b *Book) busy(flow string, until uint64) bool {
	for number, e := range b.open {
		if number <= until && !e.lost && (e.flow == flow || e.flow == "") {
			return true
		}
	}
	return false
}

// Reserve notes a number as given away, and reports false when it was already, for another
// create. A second time for the same one changes nothing.
func (b *Book) Reserve(r Reserve) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := ticket{r.Flow, r.No}
	if reserved, has := b.has(t); has {
		return reserved != "" && reserved == r.For
	}
	b.give(t, r.For)
	return true
}
