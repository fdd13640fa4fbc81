package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
)

// checkCreateHonest deploys a flow, restarts the servers and compares what they say
// with what there is. A flow that is refused is no lie.
func checkCreateHonest(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	design := newDesign()
	if err := v.deploy(ctx, design); err != nil {
		return err
	}
	defer undo(ctx, &err, func(ctx context.Context) error { return v.undeploy(ctx, design.Name) })
	if err := d.restartAll(ctx); err != nil {
		return err
	}
	if err := v.signIn(ctx); err != nil {
		return err
	}
	title := newTitle("honest")
	answers, err := v.open(ctx, d.crowd(), design.UUID, title)
	if err != nil {
		return err
	}
	n, err := d.tickets(title)
	if ok := accepted(answers); err == nil && n != ok {
		err = broken("%d creates were answered with success and %d tickets exist", ok, n)
	}
	return err
}

// longStep is the chart of a background step that comes first, as in the flow "slow".
const longStep = "FITEM_2"

// checkRestartQueue restarts servers while tickets run a long step.
func checkRestartQueue(ctx context.Context, d Door) error {
	return d.checkQueue(ctx, engine.SlowUUID, d.restartAll)
}

// checkKilledQueue kills a server while tickets run a long step on all of them.
func checkKilledQueue(ctx context.Context, d Door) error {
	return d.checkQueue(ctx, engine.SlowUUID, d.killFirst)
}

func (d Door) killFirst(ctx context.Context) error {
	if err := d.Kill(ctx, 0); err != nil {
		return fmt.Errorf("killing a server: %w", err)
	}
	return nil
}

// CheckLongStep deploys a flow whose step takes that long, calls ready, which returns when
// all servers know it, opens tickets on all of them, and kills the first one: no other
// server's steps run twice, however long they take. It is none of Promises, because it
// takes more than two times the step, and the servers behind an ordinary balancer don't
// come to know the flow.
func CheckLongStep(ctx context.Context, d Door, step time.Duration, ready func(context.Context) error) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	design := newDesign()
	design.Steps = append([]database.Step{{Name: "long", Work: step}}, design.Steps...)
	if err := v.deploy(ctx, design); err != nil {
		return err
	}
	defer undo(ctx, &err, func(ctx context.Context) error {
		return errors.Join(v.signIn(ctx), v.undeploy(ctx, design.Name))
	})
	if err := ready(ctx); err != nil {
		return err
	}
	d.Patience += 2 * step
	return d.checkQueue(ctx, design.UUID, d.killFirst)
}

// secondRun is how long after all tickets have come to their form one is looked for that
// comes there once more: who runs a step a second time has begun it later.
const secondRun = 3 * time.Second

// checkQueue opens tickets of a flow with a long background step, disturbs the servers,
// and wants each ticket at its form once.
func (d Door) checkQueue(ctx context.Context, flow string, disturb func(context.Context) error) error {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	title := newTitle("queue")
	answers, err := v.open(ctx, d.crowd(), flow, title)
	if err != nil {
		return err
	}
	if n := numbered(answers); n != len(answers) {
		return fmt.Errorf("only %d of %d creates were accepted: %s", n, len(answers), firstRefusal(answers))
	}
	// Between two steps OMFLOW removes a ticket's row of the journal before it writes
	// the next one: a ticket that dies there is lost, whoever stands in front. So the
	// long step must have begun.
	ok, err := d.wait(ctx, func() (bool, error) {
		journal, err := d.Truth.Queue()
		if err != nil {
			return false, fmt.Errorf("reading the journal: %w", err)
		}
		begun := map[int]bool{} // by the ticket's number
		for _, item := range journal {
			if item.FlowUUID == flow && item.Chart == longStep {
				begun[item.DataNo] = true
			}
		}
		if len(begun) == 0 {
			return false, nil
		}
		// On a slow machine the first may be through when the last begin.
		through, _, err := d.openRows(flow, title)
		for _, t := range through {
			begun[t.DataNo] = true
		}
		return len(begun) >= len(answers), err
	})
	if err != nil || !ok {
		return fmt.Errorf("the tickets never began their step: %w", orSilent(err))
	}
	if err := disturb(ctx); err != nil {
		return err
	}
	if err := d.waitForOneRow(ctx, flow, title, len(answers)); err != nil {
		return err
	}
	return watch(ctx, secondRun, func() error {
		_, _, err := d.onceEach(flow, title)
		return err
	})
}

// onceEach counts the tickets of a title that wait at a form, in one row each, and those
// that still run.
func (d Door) onceEach(flow, title string) (waiting, running int, err error) {
	rows, running, err := d.openRows(flow, title)
	if err != nil {
		return 0, 0, err
	}
	seen := map[int]int{}
	for _, t := range rows {
		if seen[t.DataNo]++; seen[t.DataNo] > 1 {
			return 0, 0, broken("ticket %d ran its step twice and waits in %d rows", t.DataNo, seen[t.DataNo])
		}
	}
	return len(seen), running, nil
}

// waitForOneRow waits until n tickets of a title are at their form in one row each and
// the journal is empty, so that nothing is left that could make another row.
func (d Door) waitForOneRow(ctx context.Context, flow, title string, n int) error {
	running := 0
	ok, err := d.wait(ctx, func() (bool, error) {
		waiting, still, err := d.onceEach(flow, title)
		if running = still; err != nil {
			return false, err
		}
		journal, err := d.Truth.Queue()
		if err != nil {
			return false, fmt.Errorf("reading the journal: %w", err)
		}
		return waiting == n && running == 0 && len(journal) == 0, nil
	})
	if err == nil && !ok {
		err = broken("%d of %d tickets never came to the end of their step", running, n)
	}
	return err
}

// slowInserts is how long a slow database takes for a new row of a ticket: so long
// stands the last thing that OMFLOW does with a step, deleting its row of the journal.
const slowInserts = 4 * time.Second

// slowTries is how often tickets are opened at most so that all of them are in what a
// slow database keeps open for some seconds at the same time: on a busy machine they may be
// too far apart.
const slowTries = 4

// checkEndedQueue kills a server whose tickets have come to their form, while their
// steps are still in the journal.
func checkEndedQueue(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	if err := d.Truth.SlowInserts(slowInserts); err != nil {
		return fmt.Errorf("slowing the database: %w", err)
	}
	fast := func(context.Context) error { return d.Truth.SlowInserts(0) }
	defer undo(ctx, &err, fast)
	title := ""
	for try := 1; ; try++ {
		title = newTitle("ended")
		left, err := v.endInJournal(ctx, title)
		if err != nil {
			return err
		}
		if left == d.crowd() {
			break
		}
		if try == slowTries {
			return fmt.Errorf("only %d of %d steps were still in the journal when their tickets had come to the form", left, d.crowd())
		}
		if err := d.waitForOneRow(ctx, engine.MissionUUID, title, d.crowd()); err != nil {
			return err
		}
	}
	// What is started now reads the whole journal.
	if err := errors.Join(fast(ctx), d.Kill(ctx, 0)); err != nil {
		return fmt.Errorf("killing a server: %w", err)
	}
	return d.waitForOneRow(ctx, engine.MissionUUID, title, d.crowd())
}

// endInJournal opens tickets, waits until all of them have come to their form, and returns
// how many steps are in the journal then.
func (v *visitors) endInJournal(ctx context.Context, title string) (left int, err error) {
	answers, err := v.open(ctx, v.door.crowd(), engine.MissionUUID, title)
	if err != nil {
		return 0, err
	}
	if n := numbered(answers); n != len(answers) {
		return 0, fmt.Errorf("only %d of %d creates were accepted: %s", n, len(answers), firstRefusal(answers))
	}
	ok, err := v.door.wait(ctx, func() (bool, error) {
		waiting, _, err := v.door.openRows(engine.MissionUUID, title)
		return len(waiting) == len(answers), err
	})
	if err != nil || !ok {
		return 0, fmt.Errorf("the tickets never came to their form: %w", orSilent(err))
	}
	journal, err := v.door.Truth.Queue()
	if err != nil {
		return 0, fmt.Errorf("reading the journal: %w", err)
	}
	return len(journal), nil
}

// checkDatabaseRestart takes the database down and up again and opens tickets.
func checkDatabaseRestart(ctx context.Context, d Door) error {
	if err := d.StopDatabase(ctx); err != nil {
		return fmt.Errorf("stopping the database: %w", err)
	}
	if err := d.StartDatabase(ctx); err != nil {
		return fmt.Errorf("starting the database: %w", err)
	}
	var v *visitors
	// A front door may need a moment to see that the database is back.
	ok, err := d.wait(ctx, func() (bool, error) {
		var err error
		v, err = d.enter(ctx)
		return err == nil, nil
	})
	if err != nil || !ok {
		return fmt.Errorf("nobody can sign in with the database back: %w", orSilent(err))
	}
	defer v.leave()
	title := newTitle("database")
	answers, err := v.open(ctx, d.crowd(), engine.MissionUUID, title)
	if err != nil {
		return err
	}
	// Some may be refused meanwhile; what was accepted must go on.
	n := numbered(answers)
	if n == 0 {
		return fmt.Errorf("no create was accepted: %s", firstRefusal(answers))
	}
	_, err = d.waitForForms(ctx, engine.MissionUUID, title, n)
	return err
}
