package owners

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Ticket names a ticket, as a row of the flow queue's journal does.
type Ticket struct {
	// Flow is the UUID of the ticket's flow, 32 hexadecimal digits in lower case.
	Flow string `json:"flow"`
	// No is the ticket's number, 0 when that is not known, and Row its row.
	No  int64 `json:"no,omitempty"`
	Row int64 `json:"row"`
}

// Validate refuses what names no ticket.
func (t Ticket) Validate() error {
	if !isUUID(t.Flow) {
		return fmt.Errorf("ticket: %.40q is no UUID of a flow", t.Flow)
	}
	if t.No < 0 || t.Row <= 0 {
		return errors.New("ticket: a number or row that none has")
	}
	return nil
}

// isUUID reports whether a text is a UUID as OMFLOW writes it.
func isUUID(text string) bool {
	if len(text) != 32 {
		return false
	}
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Claim says that a server took a request that makes it work on a ticket.
type Claim struct {
	Server string
	// At is when the request was answered, or sent where it is not known what became of it.
	// One that another booster saw may seem to be later by the time that the copy took.
	At time.Time
	// Perhaps is true when the server may have the ticket, for all that is known.
	Perhaps bool
}

// lookUp is how many tickets are looked up at once, while nobody can note anything.
const lookUp = 256

// Claims returns for each ticket who may be working on it: none if nothing is known.
// resolve finds the UUID of a flow by the text of Request.Flow, "" if it can't.
func (b *Book) Claims(now time.Time, tickets []Ticket, resolve func(flow string) string) [][]Claim {
	all := make([][]Claim, len(tickets))
	f := b.finder(now, resolve)
	for at := 0; at < len(tickets); at += lookUp {
		b.mu.Lock()
		for i := at; i < min(at+lookUp, len(tickets)); i++ {
			all[i] = f.find(tickets[i])
		}
		b.mu.Unlock()
	}
	return all
}

// finder looks up tickets.
type finder struct {
	b     *Book
	now   time.Time
	first uint64 // of the book: another one when it has forgotten everything since
	// flows are the names of each flow, by its UUID. doubtful are those that could be
	// any flow's.
	flows    map[string][]int32
	doubtful []int32
	pending  map[pendingKey][]Claim // by flow, "" for any
}

// pendingKey is what a request is about of which it is not known what became of it.
type pendingKey struct {
	flow    string
	row     int64
	unclear bool
}

func (b *Book) finder(now time.Time, resolve func(string) string) *finder {
	f := &finder{b: b, now: now, flows: make(map[string][]int32), pending: make(map[pendingKey][]Claim)}
	b.mu.Lock()
	f.first = b.first
	texts := b.flows.texts[:len(b.flows.texts):len(b.flows.texts)]
	var open []pending
	for _, p := range b.pending {
		open = append(open, p)
	}
	for _, p := range b.peers {
		open = append(open, p.pending...)
	}
	b.mu.Unlock()
	uuid := func(flow string) string {
		if isUUID(flow) {
			return flow
		}
		return resolve(flow)
	}
	for i, text := range texts {
		if id := uuid(text); id != "" {
			f.flows[id] = append(f.flows[id], int32(i))
		} else {
			f.doubtful = append(f.doubtful, int32(i))
		}
	}
	for _, p := range open {
		if !now.After(p.until) {
			key := pendingKey{uuid(p.Flow), p.Row, p.Unclear}
			f.pending[key] = append(f.pending[key], Claim{Server: p.server, At: p.at, Perhaps: true})
		}
	}
	return f
}

// find looks a ticket up. The caller holds the book's mu.
func (f *finder) find(t Ticket) []Claim {
	if t.Row == 0 || f.first != f.b.first {
		return nil
	}
	claims := f.pushed(t)
	if len(claims) == 0 {
		claims = f.numbered(t)
	}
	for _, flow := range []string{t.Flow, ""} {
		if len(claims) == 0 {
			claims = append(claims, f.pending[pendingKey{flow: flow}]...) // creates
		}
		claims = append(claims, f.pending[pendingKey{flow: flow, row: t.Row}]...)
		claims = append(claims, f.pending[pendingKey{flow: flow, unclear: true}]...)
	}
	return claims
}

// pushed returns who took the last push of the ticket's row.
func (f *finder) pushed(t Ticket) (claims []Claim) {
	last := time.Duration(math.MinInt64) // copies may be older than this book
	f.names(t.Flow, func(name int32, perhaps bool) {
		number, ok := f.b.rows[ticketKey{name, t.Row}]
		if r, there := f.b.at(number); ok && there {
			claims = f.take(claims, r, perhaps)
			last = max(last, r.at)
		}
	})
	if len(claims) == 0 || t.No == 0 {
		return claims
	}
	// Somebody may have pushed it since without saying which row.
	f.names(t.Flow, func(name int32, _ bool) {
		records, _ := f.b.chain(ticketKey{name, t.No})
		for i := range records {
			if r := &records[i]; r.row == 0 && r.at > last {
				claims = f.take(claims, r, true)
			}
		}
	})
	return claims
}

// numbered returns who took any request for the ticket.
func (f *finder) numbered(t Ticket) (claims []Claim) {
	if t.No == 0 {
		return nil
	}
	f.names(t.Flow, func(name int32, perhaps bool) {
		records, more := f.b.chain(ticketKey{name, t.No})
		for i := range records {
			claims = f.take(claims, &records[i], perhaps || more)
		}
	})
	return claims
}

// names calls what with all that may be the flow's names.
func (f *finder) names(flow string, what func(name int32, perhaps bool)) {
	for _, name := range f.flows[flow] {
		what(name, false)
	}
	for _, name := range f.doubtful {
		what(name, true)
	}
}

// take adds what a record claims, unless that is too old.
func (f *finder) take(claims []Claim, r *record, perhaps bool) []Claim {
	at := f.b.base.Add(r.at)
	if f.now.Sub(at) > MaxAge {
		return claims
	}
	return append(claims, Claim{Server: f.b.servers.texts[r.server], At: at, Perhaps: perhaps})
}
