package database

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// Unfinished is all that OMFLOW's servers have not finished.
type Unfinished struct {
	Journal
	// Between are tickets that run and that the journal has no row of: they are between
	// two steps of a server that lives, or stranded.
	Between []BetweenSteps
	// More is true when there are more of them than were looked at.
	More bool
}

// BetweenSteps is a ticket between two steps.
type BetweenSteps struct {
	Ticket
	// Opener is the ticket of another flow that has opened this one, see [JournalRow].
	Opener Ticket
	// Unsure is true when whoever has ended another ticket may go on with this one, or
	// when it is not known what it goes on with.
	Unsure bool
	// State is another one when the ticket has moved on.
	State string
}

// Unfinished reads the journal as [DB.Journal] does, and what it lacks at the same moment:
// a ticket that runs all the time of the call is in a row or among Between, whatever it
// does meanwhile. One that waits for another ticket, which may take days, is in neither,
// until that has closed: then whoever has closed it is about to go on with this one. One
// that has just ended may be among Between, too. It looks at as many tickets as
// [DB.Stranded], and takes at most 10 s. The error wraps [ErrNoJournal] when there is no
// journal.
//
// It makes one statement for each flow, one for up to 100 tickets of a flow that run and are
// not in the journal, and one for each flow that others wait for: 130 to 170 ms with 200
// flows, one of which has 100,000 rows, measured on PostgreSQL 15 on a busy machine of two
// cores. DB.Stranded takes 640 to 690 ms there.
//
// The journal's rows are read once each, up to 4,000 characters of them, and looked through
// here; only longer ones are looked through by the database, for each such ticket. With 1,000
// tickets and 2,000 rows of 1 kB that took 110 ms at first and 60 ms after that, on the same
// machine; the database alone, looking through all rows, had taken more than 10 s.
func (db *DB) Unfinished(ctx context.Context, limit int) (u Unfinished, err error) {
	if err := checkLimit(limit); err != nil {
		return u, err
	}
	err = db.call(ctx, "read what is not finished in", func(ctx context.Context) error {
		since := time.Now().Add(-strandedAge)
		running, err := db.runningTickets(ctx, since, nil)
		if err != nil {
			return err
		}
		running.around = &surroundings{since: since, opened: map[string]openedTickets{}}
		var q *queueRead
		if u.Journal, q, err = db.readQueue(ctx, limit); err != nil {
			return err
		}
		moved := mentions{}
		moved.take(q.mentions)
		if err := db.readMentions(ctx, strandedStatements[db.target.Engine].pauses, moved); err != nil {
			return err
		}
		u.Between = nil
		moves := func(t StrandedTicket) {
			// It was between two steps when the journal was read, and is not any more.
			u.Between = append(u.Between, BetweenSteps{Ticket: Ticket{Flow: t.Flow, No: t.DataNo, Row: t.DataID}, Unsure: true, State: "moves"})
		}
		found, more, err := db.unmentioned(ctx, running, moved, q, moves)
		if err != nil {
			return err
		}
		found, err = db.unnamed(ctx, found, limit, moves)
		for _, t := range found {
			u.Between = append(u.Between, t.between())
		}
		u.More = more
		return err
	})
	return u, journalError(err)
}

// between is what is told of a stranded ticket while it may be between two steps.
func (t StrandedTicket) between() BetweenSteps {
	b := BetweenSteps{Ticket: Ticket{Flow: t.Flow, No: t.DataNo, Row: t.DataID}, Unsure: t.ended}
	o := jsonscan.Scan([]byte(t.param))
	for o.Next() {
		switch {
		case jsonscan.Equal(o.Key, "outflow_content"):
			opener := jsonscan.Scan(o.Value)
			for opener.Next() {
				b.Opener.member(opener.Key, opener.Value)
			}
		case jsonscan.Equal(o.Key, "outflow_done"):
			b.Unsure = true
		}
	}
	if !b.Opener.valid() {
		b.Opener = Ticket{}
	}
	b.Unsure = b.Unsure || !o.Whole()
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %q %q", t.param, t.step.queueID, t.Why)
	b.State = strconv.FormatUint(h.Sum64(), 16)
	return b
}
