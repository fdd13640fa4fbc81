package engine

import (
	"fmt"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
)

// pause lets a ticket rest in a step: a schedule that fires once lets it go on. The
// schedule is in the database and in this process's memory, which is looked at only if
// it has the schedule thread. The journal's row goes last, so that a process that is
// killed before that leaves both.
func (e *Engine) pause(db database.Queries, item database.QueueItem, row database.Ticket, rest time.Duration) error {
	if _, err := db.UpdateTicket(item.FlowUUID, row); err != nil {
		return fmt.Errorf("leaving a step: %w", err)
	}
	s, err := db.SaveSchedule(database.Schedule{
		FlowUUID: item.FlowUUID, Cycle: "Once", Every: 1, Exec: time.Now().Add(rest), Active: true,
		Pause: &database.Pause{DataNo: item.DataNo, DataID: item.DataID, From: item.Chart, Chart: row.Progress.To, User: item.User},
	})
	if err != nil {
		return fmt.Errorf("saving the schedule of a pause: %w", err)
	}
	e.addJob(s)
	if err := db.Dequeue(item.QueueID()); err != nil {
		return fmt.Errorf("clearing the flow queue's journal: %w", err)
	}
	return nil
}

// resume lets a ticket that rested go on, and writes down that it did.
func (e *Engine) resume(db database.Queries, s database.Schedule) error {
	p := s.Pause
	err := e.enqueue(db, database.QueueItem{
		FlowUUID: s.FlowUUID, DataNo: p.DataNo, DataID: p.DataID, Chart: p.Chart, User: p.User, Created: time.Now(),
	})
	if err != nil {
		return err
	}
	if _, err := db.SaveSchedule(s); err != nil {
		return fmt.Errorf("saving a schedule: %w", err)
	}
	return nil
}
