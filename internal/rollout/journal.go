package rollout

import (
	"slices"
	"time"

	"github.com/omflow/booster/internal/rollout/owners"
)

const (
	// QuietTime is how long a row of the flow queue's journal must stay unchanged to be
	// taken for one that nobody works on, when the lead server has died and it is not
	// known whose the row is; or when it is that of a server of which nobody knows
	// whether it lives. A ticket's row is replaced at each step, so this is the longest
	// such step that is waited for then: one that takes longer runs twice.
	QuietTime = 30 * time.Second
	// UnknownTime takes its place when it was a follower that died. What is not known to
	// be anybody's is mostly the lead server's then, which lives (schedules make such
	// rows, and forms that bring files), and waiting costs no more than the time of the
	// few tickets of the dead one of which that is not known either.
	UnknownTime = 2 * time.Minute
	// StuckTime is the longest step that is waited for otherwise: when no server is known
	// to have died, and of a server that is known to be working on it.
	StuckTime = 10 * time.Minute
	// youngTime is how old rows may be that are waited for while work is held: of
	// quick steps, which will soon be done.
	youngTime = 5 * time.Second
	// ageSlack allows for the way of a process's age to the coordinator, where it is not
	// proved how long that was.
	ageSlack = 3 * time.Second
)

// Row is an item of the flow queue's journal.
type Row struct {
	ID  int64  `json:"id"`
	Key string `json:"key"` // OMFLOW's queue_id: flow, ticket and step
	// Ticket is the ticket that the step belongs to, Opener another one that has opened
	// that and waits for its end; the zero Ticket where that is not known.
	Ticket owners.Ticket `json:"ticket,omitzero"`
	Opener owners.Ticket `json:"opener,omitzero"`
	// Unsure is true when another server may have gone on with the ticket, without a
	// request for it.
	Unsure bool `json:"unsure,omitempty"`
}

// Clean drops what names no ticket of a row that came from elsewhere.
func (r *Row) Clean() {
	for _, t := range []*owners.Ticket{&r.Ticket, &r.Opener} {
		if t.Validate() != nil {
			*t = owners.Ticket{}
		}
	}
}

// rowKey tells rows of the journal apart.
type rowKey struct {
	id  int64
	key string
}

func (r Row) rowKey() rowKey { return rowKey{r.ID, r.Key} }

// MaxRows is how many rows are looked at. A journal with more is not at rest.
const MaxRows = 10_000

// Journal follows the flow queue's journal and tells whose rows are a living
// server's. It is not safe for concurrent use.
type Journal struct {
	first  map[rowKey]time.Time
	rows   []Row
	claims [][]owners.Claim // of each row; nil: nothing is known
	more   bool             // than MaxRows
	read   time.Time
}

// Observe takes what the journal held, as read between begun and now, and who may be
// working on each row, nil for nobody known. more tells that there were more rows than
// were read.
func (j *Journal) Observe(begun, now time.Time, rows []Row, claims [][]owners.Claim, more bool) {
	next := make(map[rowKey]time.Time, len(rows))
	for _, r := range rows {
		if first, known := j.first[r.rowKey()]; known {
			next[r.rowKey()] = first
		} else {
			next[r.rowKey()] = now
		}
	}
	if len(claims) != len(rows) {
		claims = make([][]owners.Claim, len(rows))
	}
	j.first, j.rows, j.claims, j.more, j.read = next, slices.Clone(rows), claims, more, begun
}

// each calls what with all rows, since when each has not changed, and who claims it.
func (j *Journal) each(what func(first time.Time, claims []owners.Claim)) {
	for i, r := range j.rows {
		what(j.first[r.rowKey()], j.claims[i])
	}
}

// Verdict is what the rows of a journal come to.
type Verdict struct {
	Rows int
	// Dead are rows that surely, or by not changing, nobody works on.
	Dead int
	// Young are rows that somebody may work on and that are new.
	Young int
	// Busy are rows that somebody may work on for a while already.
	Busy int
}

// Rest reports whether there is nothing that a living server may work on.
func (v Verdict) Rest() bool { return v.Young+v.Busy == 0 }

// Rule is what a journal is judged by.
type Rule struct {
	// Born is when the oldest process that lives was started, or the zero time when it
	// is not known: older rows are nobody's.
	Born time.Time
	// Fate tells of who claims a row what has become of it. Default: Unknown.
	Fate func([]owners.Claim) Fate
	// Quiet is how long a row of a fate must not change to count as dead. Default:
	// StuckTime.
	Quiet func(Fate) time.Duration
}

// Judge says what the rows come to.
func (j *Journal) Judge(now time.Time, rule Rule) Verdict {
	v := Verdict{Rows: len(j.rows)}
	j.each(func(first time.Time, claims []owners.Claim) {
		fate, quiet := Unknown, StuckTime
		if rule.Fate != nil {
			fate = rule.Fate(claims)
		}
		if rule.Quiet != nil {
			quiet = rule.Quiet(fate)
		}
		age := now.Sub(first)
		switch {
		case !rule.Born.IsZero() && first.Before(rule.Born):
			v.Dead++
		case age >= quiet:
			v.Dead++
		case age < youngTime:
			v.Young++
		default:
			v.Busy++
		}
	})
	if j.more {
		v.Busy++
	}
	return v
}

// Read returns when the last read began that was observed: what was in the journal
// before that was seen.
func (j *Journal) Read() time.Time { return j.read }

// Oldest returns how long the oldest row has not changed, 0 without rows.
func (j *Journal) Oldest(now time.Time) time.Duration {
	var oldest time.Duration
	for _, first := range j.first {
		oldest = max(oldest, now.Sub(first))
	}
	return oldest
}
