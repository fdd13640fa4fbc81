package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
)

// slowWindow is how long a slow database keeps tickets where the journal has nothing of
// them.
const slowWindow = 8 * time.Second

// checkStrandedNew kills a server that has opened tickets and not queued them. Its
// clients are not told a number, but the tickets are there, and nobody can push on or
// close one that runs.
func checkStrandedNew(ctx context.Context, d Door) error {
	return d.checkStranded(ctx, engine.MissionUUID, "stranded", database.Queries.SlowInserts)
}

// checkStrandedStep kills a server whose tickets have left one step and not begun the
// next.
func checkStrandedStep(ctx context.Context, d Door) error {
	return d.checkStranded(ctx, engine.SlowUUID, "between", database.Queries.SlowDequeues)
}

// checkStranded opens tickets while something is slow, kills a server when all of them
// are there, run, and are in no row of the journal, and wants each at its form once.
func (d Door) checkStranded(ctx context.Context, flow, title string, slow func(database.Queries, time.Duration) error) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	if err := slow(d.Truth, slowWindow); err != nil {
		return fmt.Errorf("slowing the database: %w", err)
	}
	fast := func(context.Context) error { return slow(d.Truth, 0) }
	defer undo(ctx, &err, fast)
	var opened string
	for try := 1; ; try++ {
		opened = newTitle(title)
		// What they are answered depends on where they were: those of the server that dies
		// are told nothing.
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			_, _ = v.open(ctx, d.crowd(), flow, opened)
		}()
		defer func() { <-answered }()
		all, err := d.betweenSteps(ctx, flow, opened)
		if err != nil {
			return err
		}
		if all {
			break
		}
		if try == slowTries {
			return errors.New("the tickets were never all out of the journal")
		}
		if err := d.waitForOneRow(ctx, flow, opened, d.crowd()); err != nil {
			return err
		}
	}
	if err := errors.Join(fast(ctx), d.Kill(ctx, 0)); err != nil {
		return fmt.Errorf("killing a server: %w", err)
	}
	return d.waitForOneRow(ctx, flow, opened, d.crowd())
}

// betweenSteps waits until all tickets of a title are there, run, and are in no row of the
// journal. It returns false when one of them has come to its form: then they were too far
// apart.
func (d Door) betweenSteps(ctx context.Context, flow, title string) (all bool, err error) {
	ok, err := d.wait(ctx, func() (bool, error) {
		waiting, running, err := d.openRows(flow, title)
		if err != nil || len(waiting) > 0 {
			return true, err
		}
		if running < d.crowd() {
			return false, nil
		}
		journal, err := d.Truth.Queue()
		if err != nil {
			return false, fmt.Errorf("reading the journal: %w", err)
		}
		all = len(journal) == 0
		return all, nil
	})
	if err != nil || !ok {
		return false, fmt.Errorf("the tickets were never all out of the journal: %w", orSilent(err))
	}
	return all, nil
}
