package rollout

import (
	"slices"
	"time"
)

const (
	// QuietTime is how long a row of the flow queue's journal must stay unchanged
	// to be taken for one that nobody works on, when a server has died. A ticket's
	// row is replaced at each step, so this is the longest step that is waited for
	// then: one that takes longer on a living server at that moment runs twice.
	QuietTime = 30 * time.Second
	// StuckTime takes its place when no server is known to have died: the longest
	// step that a planned restart waits for.
	StuckTime = 10 * time.Minute
	// youngTime is how old rows may be that are waited for while work is held: of
	// quick steps, which will soon be done.
	youngTime = 5 * time.Second
	// ageSlack allows for the way of a process's age to the coordinator.
	ageSlack = 3 * time.Second
)

// Row is an item of the flow queue's journal.
type Row struct {
	ID  int64  `json:"id"`
	Key string `json:"key"` // OMFLOW's queue_id: flow, ticket and step
}

// MaxRows is how many rows are looked at. A journal with more is not at rest.
const MaxRows = 10_000

// Journal follows the flow queue's journal and tells whose rows are a living
// server's. It is not safe for concurrent use.
type Journal struct {
	first map[Row]time.Time
	rows  []Row
	more  bool // than MaxRows
	read  time.Time
}

// Observe takes what the journal held, as read between begun and now. more tells that
// there were more rows than were read.
func (j *Journal) Observe(begun, now time.Time, rows []Row, more bool) {
	next := make(map[Row]time.Time, len(rows))
	for _, r := range rows {
		if first, known := j.first[r]; known {
			next[r] = first
		} else {
			next[r] = now
		}
	}
	j.first, j.rows, j.more, j.read = next, slices.Clone(rows), more, begun
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

// Judge says what the rows come to. born is when the oldest process that lives was
// started, or the zero time when it is not known. Rows that have not changed for
// quiet count as dead.
func (j *Journal) Judge(now, born time.Time, quiet time.Duration) Verdict {
	v := Verdict{Rows: len(j.rows)}
	for _, r := range j.rows {
		first := j.first[r]
		age := now.Sub(first)
		switch {
		case !born.IsZero() && first.Before(born.Add(-ageSlack)):
			v.Dead++
		case age >= quiet:
			v.Dead++
		case age < youngTime:
			v.Young++
		default:
			v.Busy++
		}
	}
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

// restLooks is how many times in a row the journal must be found at rest. OMFLOW
// deletes a ticket's row before it writes that of the next step, so that between two
// steps the ticket has none for a moment.
const restLooks = 3

// looks counts the readings of a journal, one after the other, that found it at rest.
type looks struct {
	n    int
	read time.Time
}

// see takes a reading, which may be the same as before, and reports whether there were
// enough.
func (l *looks) see(read time.Time, rest bool) bool {
	switch {
	case !rest:
		*l = looks{read: read}
	case read.After(l.read):
		l.n, l.read = l.n+1, read
	}
	return l.n >= restLooks
}
