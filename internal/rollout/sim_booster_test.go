package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/omflow/booster/internal/rollout/owners"
)

// simBooster is a booster: a Coordinator, and the front door that follows orders.
type simBooster struct {
	w           *world
	name        string
	coordinator *Coordinator
	cancel      context.CancelFunc
	alive       bool
	died        time.Time
	active      bool
	term        uint64
	marks       marks

	orders   Orders
	expires  time.Time
	flight   map[string]int
	working  int
	orderErr error
	lag      time.Duration // of orders
	book     *owners.Book
	hook     func(Orders) // is told of each order, with w.mu held
}

// marks are replicated by gossip: the highest version of each wins.
type marks map[string]markValue

type markValue struct {
	value   string
	version int
}

func (m marks) values() map[string]string {
	values := make(map[string]string, len(m))
	for k, v := range m {
		values[k] = v.value
	}
	return values
}

func (m marks) merge(o marks) {
	for k, v := range o {
		if v.version > m[k].version {
			m[k] = v
		}
	}
}

// start starts a booster, which has forgotten everything but its marks.
func (b *simBooster) start() {
	w := b.w
	ctx, cancel := context.WithCancel(w.ctx)
	c, err := New(Config{
		Active: func() (term uint64, active bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return b.term, b.active && b.alive && ctx.Err() == nil
		},
		Alone:       func() bool { return len(w.boosters) == 1 },
		Order:       func(ctx context.Context, o Orders) (Doors, error) { return b.order(ctx, o) },
		ReadJournal: func(ctx context.Context, between bool) (Reading, error) { return b.readJournal(ctx, between) },
		Claims:      b.claims,
		Marks: func() map[string]string {
			w.mu.Lock()
			defer w.mu.Unlock()
			return b.marks.values()
		},
		SetMark: func(key, value string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			b.set(key, value)
			return nil
		},
		FixedLead: func() string { return "" },
		Strangers: func() bool { return false },
		Changing: func(server string) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return server == w.changing
		},
		Releases: w.releases,
		Logger:   w.log.With("booster", b.name),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(func() {
		if b.marks == nil {
			b.marks = make(marks)
		}
		b.coordinator, b.cancel, b.alive, b.active = c, cancel, true, false
		b.orders, b.expires = Orders{Hold: true}, time.Now().Add(OrderTime)
		b.flight, b.working, b.book = make(map[string]int), 0, owners.New()
		w.note("%s is started", b.name)
	})
	w.go_(func() { c.Run(ctx) })
}

// set writes a mark. The caller holds w.mu, here and below.
func (b *simBooster) set(key, value string) {
	b.w.version++
	b.marks[key] = markValue{value, b.w.version}
}

func (b *simBooster) kill() {
	b.alive, b.active, b.died = false, false, time.Now()
	b.cancel()
	b.w.note("%s dies", b.name)
}

// inForce returns the orders that hold now.
func (b *simBooster) inForce() Orders {
	if time.Now().After(b.expires) {
		return Orders{}
	}
	return b.orders
}

func (b *simBooster) order(ctx context.Context, o Orders) (Doors, error) {
	w := b.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.hook != nil {
		b.hook(o)
	}
	w.checkOut(o)
	var doors Doors
	err := b.orderErr
	for _, x := range w.boosters {
		switch since, cut := w.cuts[link(b.name, x.name)]; {
		case !x.alive && time.Since(x.died) > 2*time.Second, x != b && cut && time.Since(since) > 3*time.Second:
			continue // it is known to be gone
		case !x.alive || x != b && cut:
			err = errors.New("no answer from " + x.name)
			continue
		case o.Term < x.orders.Term:
			err = errors.New("the term is over")
			continue
		}
		x.orders, x.expires = Orders{Term: o.Term, Hold: o.Hold, Out: maps.Clone(o.Out)}, time.Now().Add(OrderTime)
		d := Doors{InFlight: maps.Clone(x.flight), Up: make(map[string]bool), Working: x.working}
		for _, s := range w.servers {
			d.Up[s.name] = !s.unseen && (s.up() || time.Since(s.ended) < w.blur)
		}
		doors.Add(d)
		if x != b {
			b.copyBook(x)
		}
	}
	lag := time.Millisecond + b.lag
	w.mu.Unlock()
	ok := w.sleep(ctx, lag)
	w.mu.Lock()
	if !ok {
		return Doors{}, context.Cause(ctx)
	}
	return doors, err
}

// checkOut checks that no more than one server is out, beside a lead whose turn comes
// last when all have lost the database.
func (w *world) checkOut(o Orders) {
	n := 0
	for _, reason := range o.Out {
		if reason != "its flow queue has lost the database" {
			n++
		}
	}
	if n > 1 || len(o.Out) > 2 {
		w.problem("more than one server is out: %v", o.Out)
	}
}

func (b *simBooster) readJournal(ctx context.Context, between bool) (read Reading, err error) {
	w := b.w
	w.mu.Lock()
	err = ErrNoJournal
	for _, s := range w.servers {
		if !s.gone && !s.agent.frozen && w.linked(b.name, s.name) && !w.blind {
			err = nil
		}
	}
	if err == nil && w.dbDown {
		err = errors.New("the database is down")
	}
	for id, it := range w.rows {
		read.Rows = append(read.Rows, Row{ID: id, Key: it.key, Ticket: it.ticket.names()})
	}
	for _, t := range w.tickets {
		if between && t.between != nil {
			read.Between = append(read.Between, Row{Key: fmt.Sprint(t.id, " ", t.done), Ticket: t.names()})
		}
	}
	if between && err == nil {
		err = w.siftErr
	}
	w.mu.Unlock()
	if !w.sleep(ctx, 3*time.Millisecond) {
		return Reading{}, ctx.Err()
	}
	if err != nil {
		return Reading{}, err
	}
	return read, nil
}

// claims is who may be working on rows, by the requests that came through the boosters.
func (b *simBooster) claims(rows []Row) [][]owners.Claim {
	tickets := make([]owners.Ticket, len(rows))
	for i, r := range rows {
		tickets[i] = r.Ticket
	}
	b.w.mu.Lock()
	book := b.book
	b.w.mu.Unlock()
	return book.Claims(time.Now(), tickets, func(string) string { return "" })
}

// copyBook takes over what is new in another booster's book. The caller holds w.mu.
func (b *simBooster) copyBook(x *simBooster) {
	for more := true; more; {
		book, next := b.book.Wanted(x.name)
		page := x.book.Page(time.Now(), book, next)
		b.book.Take(time.Now(), x.name, page)
		more = page.More
	}
}

// pair makes the first booster active, and another when the active one has died.
func (w *world) pair() {
	for {
		w.mu.Lock()
		var active, other *simBooster
		for _, b := range w.boosters {
			switch {
			case b.alive && b.active:
				active = b
			case b.alive && other == nil:
				other = b
			}
		}
		if active == nil && other != nil && !w.noPair {
			w.activate(other)
		}
		w.mu.Unlock()
		if !w.sleep(w.ctx, 300*time.Millisecond) {
			return
		}
	}
}

// activate makes a booster the active one. The caller holds w.mu.
func (w *world) activate(b *simBooster) {
	for _, x := range w.boosters {
		x.active = false
	}
	w.term++
	b.active, b.term = true, w.term
	w.note("%s is active in term %d", b.name, b.term)
}

// gossip carries marks.
func (w *world) gossip() {
	for w.sleep(w.ctx, 300*time.Millisecond) {
		w.do(func() {
			for _, b := range w.boosters {
				if !b.alive {
					continue
				}
				for _, x := range w.boosters {
					if x.alive && w.linked(b.name, x.name) {
						x.marks.merge(b.marks)
						if x != b {
							x.copyBook(b)
						}
					}
				}
				for _, s := range w.servers {
					if !s.gone && !s.agent.frozen && w.linked(b.name, s.name) {
						s.agent.marks.merge(b.marks)
						b.marks.merge(s.agent.marks)
					}
				}
			}
		})
	}
}

// activeBooster returns the active booster, or nil. The caller holds w.mu.
func (w *world) activeBooster() *simBooster {
	for _, b := range w.boosters {
		if b.alive && b.active {
			return b
		}
	}
	return nil
}

// control makes a control change, as a request that succeeded on the lead does.
func (w *world) control() {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.activeBooster()
	key := EpochKey + b.name
	b.set(key, NextChange(b.marks[key].value, time.Now()))
	w.note("control change %s", b.marks[key].value)
}
