package owners

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

const (
	// MaxPage is how many records are told at once.
	MaxPage = 5000
	// MaxMessage bounds a Page as JSON, in bytes: MaxPage records and MaxPending requests
	// of flows that are named by UUID. With longer names there are fewer records on a page,
	// and of the requests those that are too many name no flow.
	MaxMessage = 4 << 20
	// maxText bounds a name on its way, in bytes: of two names of OMFLOW's with 200
	// characters each, and a little.
	maxText = 2048
	// sameTime is how close two notes of one server about one row are for one to be a
	// copy of the other.
	sameTime = 5 * time.Second
)

// Copy is a note on its way to another booster.
type Copy struct {
	Flow    string        `json:"flow"`
	Server  string        `json:"server"`
	No      int64         `json:"no,omitempty"`
	Row     int64         `json:"row,omitempty"`
	Unclear bool          `json:"unclear,omitempty"`
	Age     time.Duration `json:"age"`
	// Left is how long a request without an answer counts yet, at most MaxAge. 0, as from
	// boosters that know nothing of it: until it is MaxAge old.
	Left time.Duration `json:"left,omitempty"`
}

// size bounds a note as JSON, in bytes: a byte of a name may become six.
func (c Copy) size() int { return 160 + 6*(len(c.Flow)+len(c.Server)) }

// Page is a part of what is new in a book.
type Page struct {
	// Book is the number of the book's life; one that was begun anew has another.
	Book uint64 `json:"book"`
	// Next is where the next page begins, and More whether there is something on it.
	Next uint64 `json:"next"`
	More bool   `json:"more,omitempty"`
	// Records are requests that were carried out, the oldest first.
	Records []Copy `json:"records,omitempty"`
	// Pending are all requests of which it is not known what became of them.
	Pending []Copy `json:"pending,omitempty"`
}

// Validate refuses what no book has.
func (p Page) Validate() error {
	if p.Book == 0 || len(p.Records) > MaxPage || len(p.Pending) > MaxPending {
		return fmt.Errorf("page of a book %d: %d records and %d requests", p.Book, len(p.Records), len(p.Pending))
	}
	for _, copies := range [][]Copy{p.Records, p.Pending} {
		for _, c := range copies {
			if c.Server == "" || len(c.Server) > maxText || len(c.Flow) > maxText || c.No < 0 || c.Row < 0 || c.Age < 0 ||
				c.Left < 0 || c.Left > MaxAge {
				return errors.New("page of a book: a note that nobody has written")
			}
		}
	}
	return nil
}

// peer is another book, as far as it was copied.
type peer struct {
	book, next uint64
	pending    []pending
}

// Page returns what is new since next in the life book, both as of the page before; 0
// and 0 at first.
func (b *Book) Page(now time.Time, book, next uint64) Page {
	b.mu.Lock()
	defer b.mu.Unlock()
	oldest := b.next - uint64(len(b.log))
	if book != b.id || next < oldest || next > b.next {
		next = oldest
	}
	p := Page{Book: b.id}
	for size := 0; next < b.next && len(p.Records) < MaxPage; next++ {
		r, _ := b.at(next)
		age := now.Sub(b.base.Add(r.at))
		if age > MaxAge {
			continue
		}
		c := Copy{Flow: b.flows.texts[r.flow], Server: b.servers.texts[r.server], No: r.no, Row: r.row, Age: max(0, age)}
		if size += c.size(); size > MaxMessage/2 {
			break
		}
		p.Records = append(p.Records, c)
	}
	p.Next, p.More = next, next < b.next
	size := 0
	for _, o := range b.pending {
		left := o.until.Sub(now)
		if left <= 0 {
			continue
		}
		c := Copy{Flow: o.Flow, Server: o.server, Row: o.Row, Unclear: o.Unclear, Age: max(0, now.Sub(o.at)), Left: min(left, MaxAge)}
		if size+c.size() > MaxMessage/4 && !isUUID(c.Flow) {
			c.Flow = ""
		}
		size += c.size()
		p.Pending = append(p.Pending, c)
	}
	return p
}

// Wanted returns what to ask the named other booster for.
func (b *Book) Wanted(name string) (book, next uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.peers[name]; p != nil {
		return p.book, p.next
	}
	return 0, 0
}

// Take takes over a valid page of the named other booster. What was pending there in a
// life that has ended stays so, for EndedTime: nobody will ever tell its outcome.
func (b *Book) Take(now time.Time, name string, page Page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.peers[name]
	if p == nil {
		p = &peer{}
		b.peers[name] = p
	}
	if p.book != page.Book {
		for _, o := range p.pending {
			if !now.After(o.until) {
				b.last++
				b.wait(b.last, o)
			}
		}
	}
	p.book, p.next, p.pending = page.Book, page.Next, p.pending[:0]
	for _, c := range page.Pending {
		o := pending{
			Request: Request{Flow: c.Flow, Row: c.Row, Unclear: c.Unclear}, server: c.Server,
			at: now.Add(-c.Age), until: now.Add(cmp.Or(c.Left, MaxAge-c.Age)),
		}
		// The next page will say so if it has not. Without one the booster may have died, and
		// its requests with it.
		o.end(now)
		p.pending = append(p.pending, o)
	}
	for _, c := range page.Records {
		if c.No == 0 && c.Row == 0 || c.Age > MaxAge {
			continue
		}
		if at := now.Add(-c.Age).Sub(b.base); !b.knows(c, at) {
			b.add(c.Flow, c.Server, c.No, c.Row, at)
		}
	}
}

// knows reports whether a copy is of something that is noted here already. It may have
// come from here.
func (b *Book) knows(c Copy, at time.Duration) bool {
	flow, known := b.flows.numbers[c.Flow]
	if !known {
		return false
	}
	same := func(r *record) bool {
		return b.servers.texts[r.server] == c.Server && r.row == c.Row && (r.at-at).Abs() < sameTime
	}
	if c.No == 0 {
		number, known := b.rows[ticketKey{flow, c.Row}]
		r, there := b.at(number)
		return known && there && same(r)
	}
	records, _ := b.chain(ticketKey{flow, c.No})
	for i := range records {
		if same(&records[i]) {
			return true
		}
	}
	return false
}
