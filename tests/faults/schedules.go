package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
)

const (
	// watchSchedule is how long a schedule is watched, be it one of every second or one that
	// was deleted.
	watchSchedule = 5 * time.Second
	// leastFired is how often one of every second must have fired at last.
	leastFired = 3
	// deleteEvery is the period, in seconds, of the schedule that is deleted: longer than the
	// request for that takes, and fired twice while it is watched.
	deleteEvery = 2
)

const schedulePath = "/flowmanage/api/flow-active/schedule/"

// schedule creates a schedule that opens a ticket of that title every so many seconds
// since from, and returns its ID once all servers have started again: what a server knows
// of schedules it learns when it starts.
func (v *visitors) schedule(ctx context.Context, title string, every int, from time.Time) (int, error) {
	known, err := v.door.Truth.Schedules()
	if err != nil {
		return 0, fmt.Errorf("reading schedules: %w", err)
	}
	old := map[int]bool{}
	for _, s := range known {
		old[s.ID] = true
	}
	f, err := v.door.mission()
	if err != nil {
		return 0, err
	}
	if _, err := v.post(ctx, schedulePath, map[string]any{
		"action": "create", "flow_id": f.ID, "flow_uuid": f.UUID, "cycle": "Secondly", "every": every,
		"exec_time": from.Format("2006-01-02 15:04:05"), "formdata": client.Form(title),
	}); err != nil {
		return 0, err
	}
	if known, err = v.door.Truth.Schedules(); err != nil {
		return 0, fmt.Errorf("reading schedules: %w", err)
	}
	for _, s := range known {
		if !old[s.ID] {
			return s.ID, v.door.restartAll(ctx)
		}
	}
	return 0, fmt.Errorf("the schedule that was created is not in the database")
}

func (v *visitors) deleteSchedule(ctx context.Context, id int) error {
	_, err := v.post(ctx, schedulePath, map[string]any{"action": "delete", "schedule_id": []int{id}})
	return err
}

// checkScheduleOnce watches a schedule of every second.
func checkScheduleOnce(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	title := newTitle("schedule")
	id, err := v.schedule(ctx, title, 1, time.Now().Add(-time.Minute))
	if id != 0 {
		defer undo(ctx, &err, func(ctx context.Context) error { return v.deleteSchedule(ctx, id) })
	}
	if err != nil {
		return err
	}
	fired, begun := 0, time.Now()
	before, err := d.tickets(title)
	if err != nil {
		return err
	}
	// On a busy machine it may fire late, and then twice in one second; but never more often
	// than it was due, and once before that.
	count := func() error {
		n, err := d.tickets(title)
		if err != nil {
			return err
		}
		took := time.Since(begun)
		if fired = n - before; fired > int(took/time.Second)+2 {
			return broken("a schedule of every second fired too often: %d times in %v", fired, took)
		}
		return nil
	}
	if err := watch(ctx, watchSchedule, count); err != nil {
		return err
	}
	ok, err := d.wait(ctx, func() (bool, error) {
		err := count()
		return fired >= leastFired, err
	})
	if err == nil && !ok {
		err = broken("a schedule of every second fired %d times in %v", fired, time.Since(begun))
	}
	return err
}

// checkScheduleDeleted deletes a schedule that all servers know.
func checkScheduleDeleted(ctx context.Context, d Door) error {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	title := newTitle("deleted schedule")
	id, err := v.schedule(ctx, title, deleteEvery, time.Now().Add(-time.Minute))
	if err != nil {
		return err
	}
	before, err := d.Truth.Schedule(id)
	if err != nil {
		return fmt.Errorf("reading a schedule: %w", err)
	}
	// It must work before it can be said to have stopped. And it must have fired to its end
	// just now: OMFLOW writes the row last, and would bring one back by itself that is
	// deleted before that.
	ok, err := d.wait(ctx, func() (bool, error) {
		s, err := d.Truth.Schedule(id)
		if err != nil || !s.LastRun.After(before.LastRun) {
			return false, err
		}
		n, err := d.tickets(title)
		return n > 0, err
	})
	if err != nil || !ok {
		return fmt.Errorf("the schedule never fired: %w", orSilent(err))
	}
	// The next firing is far, but on a machine that stands still for a moment it may have
	// begun as well: what one server alone brings back once, it does not bring back twice,
	// unless it was deleted too late again.
	for timely := 0; ; {
		begun := time.Now()
		if err := v.deleteSchedule(ctx, id); err != nil {
			return err
		}
		if time.Since(begun) < deleteEvery*time.Second/2 {
			timely++
		}
		err := watch(ctx, watchSchedule, func() error {
			s, err := d.Truth.Schedule(id)
			if err != nil {
				return fmt.Errorf("reading a schedule: %w", err)
			}
			if s.ID != 0 {
				return broken("the schedule was deleted and is in the database again")
			}
			return nil
		})
		if b := (*Broken)(nil); timely == 2 || !errors.As(err, &b) {
			return err
		}
	}
}

const (
	// killEvery is the period, in seconds, of the schedule that servers are killed under:
	// longer than an OMFLOW Server takes to load its schedules, shorter than the cluster
	// takes to have a lead server again.
	killEvery = 8
	// killBefore is how long before the schedule is due a server is killed: so long that it
	// is sure that it has not fired.
	killBefore = 2 * time.Second
	// killRecord is how long a ticket mostly takes that was opened on time.
	killRecord = 2 * time.Second
)

// fired waits until a schedule has fired at a moment or after it, and returns for which
// time it has done so last, and how many tickets of the title there are then.
func (d Door) fired(ctx context.Context, id int, title string, first time.Time) (last time.Time, tickets int, err error) {
	ok, err := d.wait(ctx, func() (bool, error) {
		s, err := d.Truth.Schedule(id)
		if err != nil {
			return false, fmt.Errorf("reading a schedule: %w", err)
		}
		if last = s.LastRun; last.Before(first) {
			return false, nil
		}
		tickets, err = d.tickets(title)
		// Of the next time there is no ticket yet.
		return time.Now().Before(last.Add(time.Duration(s.Every) * time.Second)), err
	})
	if err == nil && !ok {
		err = errors.New("the schedule never fired")
	}
	return last, tickets, err
}

// checkScheduleKill kills each server right before a schedule is due, and counts how often
// it has fired.
func checkScheduleKill(ctx context.Context, d Door) (err error) {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	title := newTitle("schedule kill")
	exec := time.Now().Add(-time.Minute).Truncate(time.Second)
	id, err := v.schedule(ctx, title, killEvery, exec)
	if id != 0 {
		defer undo(ctx, &err, func(ctx context.Context) error {
			return errors.Join(v.signIn(ctx), v.deleteSchedule(ctx, id))
		})
	}
	if err != nil {
		return err
	}
	const period = killEvery * time.Second
	// One more time has come and gone, from which on they are counted.
	first, before, err := d.fired(ctx, id, title, exec.Add((time.Since(exec)/period+1)*period))
	if err != nil {
		return err
	}
	for i := range d.Servers {
		next := exec.Add(((time.Since(exec)+killBefore)/period + 1) * period)
		if err := until(ctx, next.Add(-killBefore)); err != nil {
			return err
		}
		if err := d.Kill(ctx, i); err != nil {
			return fmt.Errorf("killing a server: %w", err)
		}
	}
	n, want := 0, 0
	ok, err := d.wait(ctx, func() (bool, error) {
		var err error
		if n, err = d.tickets(title); err != nil {
			return false, err
		}
		n -= before
		now := time.Now()
		want = int(now.Sub(first) / period)
		if n > want {
			return false, broken("a schedule of every %v fired %d times in %v", period, n, now.Sub(first))
		}
		// Not at a moment at which a ticket may be on its way.
		return n == want && now.Sub(first)%period > killRecord, nil
	})
	if err == nil && !ok {
		err = broken("a schedule of every %v fired %d times where %d were due", period, n, want)
	}
	return err
}

// until waits for a moment.
func until(ctx context.Context, moment time.Time) error {
	t := time.NewTimer(time.Until(moment))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
