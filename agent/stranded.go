package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/rollout"
)

// A ticket is stranded when it looks the same at several looks. Between two steps of a
// server that lives it looks like that for about 12 ms (measured on OMFLOW 1.1.0.0 on an
// idle machine), and longer only where the server, or the database, stands still right then.
var (
	// startLooks are the pauses between looks before a lead server's start. Work is held
	// meanwhile, but only if there is anything to look at again. Only the first one is made
	// where the booster has waited before until nothing between two steps was a living
	// server's; else a server that stands still for longer than all, and goes on, runs that
	// step twice.
	startLooks = []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 2 * time.Second}
	// deathLooks are those after a process has ended, when nobody waits.
	deathLooks = []time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second}
)

const (
	// searchTime bounds a search before a lead server's start, with what it writes.
	searchTime = 7 * time.Second
	// openTries is how many times a database that is away is asked after a process has
	// ended, at the first pause of deathLooks.
	openTries = 60
	// maxTries is how many times in a row a ticket's row is put back, and how many starts of
	// the lead server an agent asks for on its account: one that stands still again after
	// that is not helped by another, and each start takes the lead from the users.
	maxTries = 3
	// maxTold is how many tickets are named to people for one flow and reason.
	maxTold = 10
)

// tries counts what was done for tickets' rows that were found at one search after the
// other. It may be used by several goroutines.
type tries struct {
	mu   sync.Mutex
	rows map[ticketRow]int
}

type ticketRow struct {
	flow string
	id   int64
}

// take counts one more try for each of the tickets that can be restored, and divides all
// into those that may have it and the others. What is not among them any more is forgotten.
func (c *tries) take(found []database.StrandedTicket) (may, left []database.StrandedTicket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := make(map[ticketRow]int, len(found))
	for _, t := range found {
		row := ticketRow{t.Flow, t.DataID}
		n := c.rows[row]
		if t.Why == "" && n >= maxTries {
			t.Why = fmt.Sprintf("it stands still again after it was put back %d times", n)
			rows[row] = n
		}
		if t.Why != "" {
			left = append(left, t)
			continue
		}
		rows[row] = n + 1
		may = append(may, t)
	}
	c.rows = rows
	return may, left
}

// search returns the tickets that were stranded, and had not changed, at each look.
func (d *data) search(ctx context.Context, pauses []time.Duration) ([]database.StrandedTicket, error) {
	db, err := d.opened()
	if err != nil {
		return nil, err
	}
	found, err := db.Stranded(ctx)
	for _, p := range pauses {
		if err != nil || len(found) == 0 {
			break
		}
		if !pause(ctx, p) {
			return nil, ctx.Err()
		}
		found, err = db.StillStranded(ctx, found)
	}
	if database.Classify(err) == database.NoTable {
		return nil, nil // nothing was ever run from this database
	}
	return found, err
}

// restoreStranded has the lead server that is about to start move on tickets that stand
// still and are not in the flow queue's journal. It returns what is to be looked after by
// people. Only one agent at a time, the holder of the lead server's lease, does it.
func (d *data) restoreStranded(ctx context.Context, pauses []time.Duration) (told []string, err error) {
	found, err := d.search(ctx, pauses)
	if err != nil {
		return nil, err
	}
	db, err := d.opened()
	if err != nil {
		return nil, err
	}
	may, left := d.restored.take(found)
	for _, t := range may {
		done, restoreErr := db.Restore(ctx, t)
		switch {
		case restoreErr != nil:
			t.Why = "the database did not confirm that its row of the flow queue's journal is written"
			left, err = append(left, t), errors.Join(err, restoreErr)
		case done:
			d.log.Warn("a ticket that a server had left between two steps is restored", "done", t.Does(),
				"flow", t.Flow, "name", t.Name, "ticket", t.DataNo, "row", t.DataID)
		}
	}
	return summary(left), err
}

// summary words what people are told: the tickets of each flow that stand still for the
// same reason.
func summary(tickets []database.StrandedTicket) (lines []string) {
	type key struct{ flow, why string }
	numbers, names := map[key][]string{}, map[key]string{}
	var order []key
	for _, t := range tickets {
		k := key{t.Flow, t.Why}
		if names[k] == "" {
			order = append(order, k)
		}
		names[k] = t.Name
		if no := strconv.FormatInt(t.DataNo, 10); !slices.Contains(numbers[k], no) {
			numbers[k] = append(numbers[k], no) // two branches of one ticket
		}
	}
	for _, k := range order {
		list, more := numbers[k], ""
		if n := len(list) - maxTold; n > 0 {
			list, more = list[:maxTold], fmt.Sprintf(" and %d more", n)
		}
		lines = append(lines, fmt.Sprintf("ticket %s%s of flow %s stands still since a server ended, and is not resumed, because %s: look at it, and delete it or open it again",
			strings.Join(list, ", "), more, names[k], k.why))
	}
	return lines
}

// searchStranded looks for stranded tickets before a lead server's start, while no lead
// server runs, and before anything else that the start needs: it takes its own time of
// the lease.
func (m *monitor) searchStranded(ctx context.Context, want rollout.Want) {
	p, d, pauses := m.part, m.data, startLooks
	if want.Sifted {
		pauses = startLooks[:1]
	}
	m.do("the search for tickets that stand still", func() error {
		within, cancel := context.WithDeadline(ctx, want.Until)
		defer cancel()
		within, stop := context.WithTimeout(within, searchTime)
		defer stop()
		told, err := d.restoreStranded(within, pauses)
		select {
		case p.answers <- func() { m.tellStranded(told) }:
		case <-ctx.Done():
		}
		return err
	})
}

// tellStranded tells people of tickets.
func (m *monitor) tellStranded(texts []string) {
	for _, text := range texts {
		m.log.LogAttrs(context.Background(), slog.LevelError, "tickets need somebody to look after them", slog.String("tickets", text))
	}
	m.part.left.add(time.Now(), texts)
}

// seekStranded looks for tickets that a process which has ended left stranded, so that
// the lead server, which may be another that lives, is started anew for them.
func (m *monitor) seekStranded(ctx context.Context) {
	p, d := m.part, m.data
	if p.unseek != nil {
		p.unseek() // this search finds what the one before would have
	}
	ctx, p.unseek = context.WithCancel(ctx)
	p.mourning.Go(func() {
		found, err := d.search(ctx, deathLooks)
		for tries := 1; err != nil && tries < openTries && pause(ctx, deathLooks[0]); tries++ {
			found, err = d.search(ctx, deathLooks)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			d.log.Warn("it is not known whether the server has left tickets that stand still", "error", err)
		}
		may, _ := d.mourned.take(found)
		if len(may) == 0 {
			return
		}
		d.log.Warn("the server has left tickets between two steps; the next start of the lead server moves them on", "tickets", len(may))
		select {
		case p.answers <- func() { p.stranded = time.Now(); m.askNow() }:
		case <-ctx.Done():
		}
	})
}
