package engine

import (
	"fmt"
	"sync"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
)

// schedules are the jobs of this process.
type schedules struct {
	mu      sync.Mutex
	running bool                    // the schedule thread was started
	db      database.Queries        // its connection
	jobs    map[int][]chan struct{} // closing one cancels it
}

// cycles are OMFLOW's recurrences that the engine has. Its Weekly and Monthly
// are left out: nothing that a test or a demonstration waits for.
var cycles = map[string]time.Duration{
	"Once":     24 * time.Hour,
	"Secondly": time.Second,
	"Minutely": time.Minute,
	"Hourly":   time.Hour,
	"Daily":    24 * time.Hour,
}

func (e *Engine) startSchedules() error {
	conn, err := e.connect()
	if err != nil {
		return err
	}
	list, err := e.db.Schedules()
	if err != nil {
		return fmt.Errorf("loading schedules: %w", err)
	}
	e.schedules.mu.Lock()
	e.schedules.running = true
	e.schedules.db = database.Queries{Caller: conn}
	e.schedules.mu.Unlock()
	for _, s := range list {
		if s.Active {
			e.addJob(s)
		}
	}
	return nil
}

// CreateSchedule has a ticket created every so often, from s.Exec on. It runs in
// this process if it has the schedule thread, and elsewhere after a restart.
func (e *Engine) CreateSchedule(s database.Schedule) (database.Schedule, error) {
	if _, ok := e.Flow(s.FlowUUID); !ok {
		return s, Refusal("請選擇流程。\n")
	}
	if _, ok := cycles[s.Cycle]; !ok || s.Every < 1 {
		return s, Refusal(fmt.Sprintf("cycle %q every %d is not supported", s.Cycle, s.Every))
	}
	s.Active = true
	s, err := e.db.SaveSchedule(s)
	if err != nil {
		return s, fmt.Errorf("saving a schedule: %w", err)
	}
	e.addJob(s)
	return s, nil
}

// DeleteSchedules cancels the jobs of this process and removes the rows.
func (e *Engine) DeleteSchedules(ids []int) error {
	for _, id := range ids {
		e.cancelJob(id)
		if err := e.db.DeleteSchedule(id); err != nil {
			return fmt.Errorf("deleting a schedule: %w", err)
		}
	}
	return nil
}

// deleteSchedulesOf removes the schedules of flows.
func (e *Engine) deleteSchedulesOf(flows []database.Flow) error {
	list, err := e.db.Schedules()
	if err != nil {
		return fmt.Errorf("reading schedules: %w", err)
	}
	var ids []int
	for _, s := range list {
		for _, f := range flows {
			if s.FlowUUID == f.UUID && s.Mark == "" && s.Pause == nil {
				ids = append(ids, s.ID)
			}
		}
	}
	return e.DeleteSchedules(ids)
}

// ToggleSchedule turns a schedule off or on again, in the database and in this
// process. Turned off in another process and on in this one, it has two jobs here
// and fires twice.
func (e *Engine) ToggleSchedule(id int) error {
	s, err := e.db.Schedule(id)
	if err != nil {
		return fmt.Errorf("reading a schedule: %w", err)
	}
	if s.ID == 0 {
		return Refusal("找不到該排程。")
	}
	s.Active = !s.Active
	if s.Active {
		e.addJob(s)
	} else {
		e.cancelJob(id)
	}
	if _, err := e.db.SaveSchedule(s); err != nil {
		return fmt.Errorf("saving a schedule: %w", err)
	}
	return nil
}

// addJob runs a schedule in this process, if it has the schedule thread.
func (e *Engine) addJob(s database.Schedule) {
	e.schedules.mu.Lock()
	defer e.schedules.mu.Unlock()
	if !e.schedules.running {
		return
	}
	cancel := make(chan struct{})
	e.schedules.jobs[s.ID] = append(e.schedules.jobs[s.ID], cancel)
	db := e.schedules.db
	e.wg.Go(func() { e.runJob(db, s, cancel) })
}

func (e *Engine) cancelJob(id int) {
	e.schedules.mu.Lock()
	defer e.schedules.mu.Unlock()
	for _, cancel := range e.schedules.jobs[id] {
		close(cancel)
	}
	delete(e.schedules.jobs, id)
}

// runJob fires one schedule until it is cancelled. s is this process's copy of
// the row: it does not see what others make of it.
func (e *Engine) runJob(db database.Queries, s database.Schedule, cancel <-chan struct{}) {
	period := time.Duration(s.Every) * cycles[s.Cycle]
	next := loaded(s, period, time.Now())
	for {
		t := time.NewTimer(time.Until(next))
		select {
		case <-t.C:
		case <-cancel:
			t.Stop()
			return
		case <-e.done:
			t.Stop()
			return
		}
		s.LastRun = next
		s.Active = s.Cycle != "Once"
		if err := e.fire(db, s); err != nil {
			e.cfg.Logger.Error("schedule failed", "schedule", s.ID, "error", err)
		}
		if !s.Active {
			e.cancelJob(s.ID)
			return
		}
		next = firstRun(next.Add(period), period, time.Now())
	}
}

// loaded is when a schedule fires first in a process that loads it. One that is due once
// or each day makes up for what was due while no process ran; the others skip that.
func loaded(s database.Schedule, period time.Duration, now time.Time) time.Time {
	switch {
	case s.Cycle == "Once":
		return s.Exec
	case s.Cycle == "Daily" && !s.LastRun.IsZero():
		return s.LastRun.Add(period)
	case s.Cycle == "Daily":
		return s.Exec
	}
	return firstRun(s.Exec, period, now)
}

// firstRun is the first of exec, exec+period, … that is not past.
func firstRun(exec time.Time, period time.Duration, now time.Time) time.Time {
	if behind := now.Sub(exec); behind > 0 {
		exec = exec.Add((behind + period - 1) / period * period)
	}
	return exec
}

// fire creates the ticket, or lets the one that paused go on, and writes the schedule's
// row, also when somebody deleted it.
func (e *Engine) fire(db database.Queries, s database.Schedule) error {
	if s.Pause != nil {
		return e.resume(db, s)
	}
	f, ok := e.Flow(s.FlowUUID)
	if ok && f.Active && e.HasModel(f.UUID) {
		if _, err := e.create(db, f, s.Form, "system", ""); err != nil {
			return err
		}
	}
	if _, err := db.SaveSchedule(s); err != nil {
		return fmt.Errorf("saving a schedule: %w", err)
	}
	return nil
}
