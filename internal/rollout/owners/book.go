package owners

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// MaxRecords is how many answered requests are remembered. At 40 tickets a second
	// they reach back for 40 minutes.
	MaxRecords = 100_000
	// MaxAge is how long one counts: longer than the steps of a ticket take that follow
	// a request, in all but odd cases.
	MaxAge = time.Hour
	// EndedTime is how long a request counts that has ended without telling whether it was
	// carried out. What it has put into the flow queue by its end is a row of the journal
	// then, which a coordinator waits for no longer than that, even on a server that lives
	// (rollout.StuckTime). To suspect longer would have all that is in the journal of the
	// same flow, and is not known to be anybody's, waited for on account of one error.
	EndedTime = 10 * time.Minute
	// MaxPending is how many requests are remembered that nobody can say to be done: of more,
	// a quarter of those that have ended are forgotten, or else the oldest.
	MaxPending = 4096
	// maxNames bounds the names of flows, and those of servers. When there are more,
	// everything is forgotten; OMFLOW's flows are some hundreds.
	maxNames = 10_000
	// maxChain is how many records of one ticket are looked at.
	maxChain = 16
)

// Request is what a request names that may put a step of a ticket into a server's flow
// queue.
type Request struct {
	// Flow is the flow's UUID as 32 hexadecimal digits in lower case, or any other text
	// that stands for its name, see Book.Claims.
	Flow string
	// Row is the row of the ticket that it pushes, 0 for a create.
	Row int64
	// Unclear is true when it may push a ticket without saying which.
	Unclear bool
}

// Book is the notes of one booster, and copies of another's. New makes one.
type Book struct {
	id   uint64 // of this life, for those who fetch its news
	base time.Time

	mu      sync.Mutex
	flows   names
	servers names
	log     []record // a ring, once it has MaxRecords
	first   uint64   // the number of the record that was at log[0] first
	next    uint64   // the number of the next record
	rows    map[ticketKey]uint64
	numbers map[ticketKey]uint64
	pending map[uint64]pending
	oldest  uint64 // no pending one has a smaller number
	last    uint64 // the last pending one's number
	peers   map[string]*peer
}

// record is a request that was carried out.
type record struct {
	flow, server int32
	no, row      int64         // 0: not known
	at           time.Duration // since base
	before       uint64        // the record before of the same ticket, plus 1; 0: none
}

// ticketKey is a flow and a number or row.
type ticketKey struct {
	flow int32
	n    int64
}

// pending is a request without an answer, or without one that tells what became of it.
type pending struct {
	Request
	server string
	at     time.Time // when it was sent
	until  time.Time // it counts up to then
}

// end notes that the request has ended. A second end changes nothing.
func (p *pending) end(now time.Time) {
	if until := now.Add(EndedTime); until.Before(p.until) {
		p.until = until
	}
}

// New returns an empty Book.
func New() *Book {
	b := &Book{id: max(1, rand.Uint64()), base: time.Now(), pending: make(map[uint64]pending), peers: make(map[string]*peer)}
	b.forget()
	return b
}

// forget drops all records. Their numbers go on.
func (b *Book) forget() {
	b.flows, b.servers = newNames(), newNames()
	b.rows, b.numbers = make(map[ticketKey]uint64), make(map[ticketKey]uint64)
	b.log, b.first = nil, b.next
}

// at returns the record of that number, if it is still there.
func (b *Book) at(number uint64) (*record, bool) {
	if number < b.first || number >= b.next || b.next-number > uint64(len(b.log)) {
		return nil, false
	}
	return &b.log[(number-b.first)%MaxRecords], true
}

// Sent notes that a request is about to be sent to a server, and returns its number for
// Done, Refused or Ended. One that gets none of these is on its way for MaxAge. A flow's name
// that is longer than any of OMFLOW's counts as unknown.
func (b *Book) Sent(now time.Time, server string, r Request) (number uint64) {
	if len(r.Flow) > maxText {
		r.Flow = "" // no other book would take it
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	b.wait(b.last, pending{Request: r, server: server, at: now, until: now.Add(MaxAge)})
	b.expire(now)
	return b.last
}

// wait keeps a pending request, and forgets the oldest when there are too many.
func (b *Book) wait(number uint64, p pending) {
	b.pending[number] = p
	if len(b.pending) > MaxPending {
		b.dropEnded()
	}
	for len(b.pending) > MaxPending {
		delete(b.pending, b.oldest)
		b.oldest++
	}
}

// dropEnded makes room by the oldest requests that have ended: one that is on its way may
// be just what is asked about when its server dies.
func (b *Book) dropEnded() {
	var ended []uint64
	for number, p := range b.pending {
		if p.until.Before(p.at.Add(MaxAge)) {
			ended = append(ended, number)
		}
	}
	slices.Sort(ended)
	for _, number := range ended[:min(len(ended), MaxPending/4)] {
		delete(b.pending, number)
	}
}

// expire forgets the oldest pending requests that don't count any more. It goes on by two
// numbers at most, twice as fast as they are given out, so that b.oldest is never so far
// behind that wait takes long.
func (b *Book) expire(now time.Time) {
	for range 2 {
		p, ok := b.pending[b.oldest]
		if b.oldest >= b.last || ok && !now.After(p.until) {
			return
		}
		delete(b.pending, b.oldest)
		b.oldest++
	}
}

// Done notes that a request was carried out, as its answer says. no is the ticket's
// number, 0 if the answer names none.
func (b *Book) Done(now time.Time, number uint64, no int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, ok := b.pending[number]
	if !ok {
		return // it has waited for too long
	}
	delete(b.pending, number)
	if no > 0 || p.Row > 0 {
		b.add(p.Flow, p.server, no, p.Row, now.Sub(b.base))
	}
}

// Refused notes that surely nothing of a request was carried out.
func (b *Book) Refused(number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.pending, number)
}

// Ended notes that a request has ended, and that nobody can tell whether it was carried out:
// it was answered with an error, or in a way that is not understood, or not at all. It counts
// for EndedTime yet. Done and Refused may follow, if it turns out after all.
func (b *Book) Ended(now time.Time, number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.pending[number]; ok {
		p.end(now)
		b.pending[number] = p
	}
}

// names gives names numbers, so that a record is small.
type names struct {
	numbers map[string]int32
	texts   []string
}

func newNames() names { return names{numbers: make(map[string]int32)} }

func (n *names) number(text string) int32 {
	number, ok := n.numbers[text]
	if !ok {
		number = int32(len(n.texts))
		n.numbers[text] = number
		n.texts = append(n.texts, text)
	}
	return number
}

// add writes a record down, in the place of the oldest when there are too many.
func (b *Book) add(flow, server string, no, row int64, at time.Duration) {
	if len(b.flows.texts) >= maxNames || len(b.servers.texts) >= maxNames {
		b.forget()
	}
	r := record{flow: b.flows.number(flow), server: b.servers.number(server), no: no, row: row, at: at}
	number := b.next
	b.next++
	slot := (number - b.first) % MaxRecords
	if slot < uint64(len(b.log)) {
		b.unlink(b.log[slot], number-MaxRecords)
	} else {
		b.log = append(b.log, record{})
	}
	if no > 0 {
		key := ticketKey{r.flow, no}
		if before, ok := b.numbers[key]; ok {
			r.before = before + 1
		}
		b.numbers[key] = number
	}
	if row > 0 {
		key := ticketKey{r.flow, row}
		last, known := b.rows[key]
		if known && b.log[(last-b.first)%MaxRecords].at > at {
			number = last // a copy of something older has come late
		}
		b.rows[key] = number
	}
	b.log[slot] = r
}

// unlink takes a record that is about to go out of the indexes.
func (b *Book) unlink(r record, number uint64) {
	if key := (ticketKey{r.flow, r.no}); r.no > 0 && b.numbers[key] == number {
		delete(b.numbers, key)
	}
	if key := (ticketKey{r.flow, r.row}); r.row > 0 && b.rows[key] == number {
		delete(b.rows, key)
	}
}

// chain returns the records of a ticket's number, the newest first, and whether there
// are more.
func (b *Book) chain(key ticketKey) (records []record, more bool) {
	number, ok := b.numbers[key]
	for ok {
		r, there := b.at(number)
		if !there {
			return records, false
		}
		if len(records) == maxChain {
			return records, true
		}
		records = append(records, *r)
		number, ok = r.before-1, r.before > 0
	}
	return records, false
}
