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
	// maxFlows bounds the flows of which the largest number is remembered. OMFLOW has
	// some hundred.
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
	given   map[ticket]struct{}
	before  map[ticket]struct{} // of the time before given
	turned  time.Time
	largest map[string]int64 // by flow
}

type ticket struct {
	flow string // "" where it is not known
	no   int64
}

// NewBook returns an empty Book.
func NewBook() *Book {
	now := time.Now()
	return &Book{began: now, turned: now, open: make(map[uint64]*Entry), given: make(map[ticket]struct{}), largest: make(map[string]int64)}
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
// is known.
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
	e := &Entry{book: b, number: b.last, flow: flow, after: b.largest[flow], sent: time.Now()}
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
		b.give(ticket{e.flow, no})
	}
	delete(b.open, e.number)
	b.tell()
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
func (b *Book) give(t ticket) {
	if now := time.Now(); len(b.given) >= maxKept || now.Sub(b.turned) >= keepTime {
		b.before, b.given, b.turned = b.given, make(map[ticket]struct{}), now
	}
	b.given[t] = struct{}{}
	if t.flow == "" {
		return
	}
	if len(b.largest) >= maxFlows {
		clear(b.largest)
	}
	b.largest[t.flow] = max(b.largest[t.flow], t.no)
}

// has reports whether a number was given away. The caller holds b.mu.
func (b *Book) has(t ticket) bool {
	_, now := b.given[t]
	_, before := b.before[t]
	return now || before
}

var errVague = errors.New("a ticket with one of these numbers was answered for a flow that was not known")

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
	answer := Settled{Open: []int64{}, Age: time.Since(b.began)}
	for _, no := range s.Numbers {
		if b.has(ticket{"", no}) {
			return Settled{}, errVague
		}
		if !b.has(ticket{s.Flow, no}) {
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

// Reserve notes a number as given away, and reports false when it was already.
func (b *Book) Reserve(r Reserve) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := ticket{r.Flow, r.No}
	if b.has(t) {
		return false
	}
	b.give(t)
	return true
}
