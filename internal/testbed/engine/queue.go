package engine

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
)

// queue is the flow queue in memory: first in, first out, without a bound, as
// Python's queue.Queue.
type queue struct {
	mu      sync.Mutex
	changed *sync.Cond
	items   []database.QueueItem
	closed  bool
}

func (q *queue) push(item database.QueueItem) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, item)
	q.changed.Signal()
}

// pop waits for an item; it returns false when the process was killed.
func (q *queue) pop() (database.QueueItem, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.changed.Wait()
	}
	if q.closed {
		return database.QueueItem{}, false
	}
	item := q.items[0]
	q.items = q.items[1:]
	return item, true
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// work is one worker. A failure leaves row and ticket as they are and is only
// logged, which is all that OMFLOW does.
func (e *Engine) work(db database.Queries) {
	for {
		item, ok := e.queue.pop()
		if !ok {
			return
		}
		if err := e.run(db, item); err != nil {
			e.cfg.Logger.Error("ticket not moved on", "flow", item.FlowUUID, "data_no", item.DataNo, "error", err)
		}
	}
}

// run brings a ticket from where the item says to its next form or its end.
func (e *Engine) run(db database.Queries, item database.QueueItem) error {
	f, ok := e.Flow(item.FlowUUID)
	if !ok {
		return fmt.Errorf("找不到流程 %s", item.FlowUUID)
	}
	steps, err := e.steps(f)
	if err != nil {
		return fmt.Errorf("找不到main.py: %w", err)
	}
	row, err := db.Ticket(item.FlowUUID, item.DataID)
	if err != nil {
		return fmt.Errorf("reading a ticket: %w", err)
	}
	if row.ID == 0 { // deleted while it was in the queue
		return db.Dequeue(item.ID)
	}
	if item.Temp != "" {
		if err := e.adoptTemp(db, item); err != nil {
			return err
		}
	}
	next := 0
	if item.After != "" {
		left := slices.IndexFunc(steps, func(s database.Step) bool { return s.Name == item.After })
		if left < 0 {
			return fmt.Errorf("version %d of the flow has no step %s", f.Version, item.After)
		}
		next = left + 1
	}
	for ; next < len(steps) && steps[next].Work > 0; next++ {
		row.Stop, row.UpdateTime = steps[next].Name, time.Now()
		if _, err := db.UpdateTicket(item.FlowUUID, row); err != nil {
			return fmt.Errorf("entering step %s: %w", steps[next].Name, err)
		}
		if !e.sleep(steps[next].Work) {
			return nil // killed in the middle of the step
		}
	}
	if err := e.arrive(db, item.FlowUUID, row, steps[min(next, len(steps)):]); err != nil {
		return err
	}
	if err := db.Dequeue(item.ID); err != nil {
		return fmt.Errorf("clearing the flow queue's journal: %w", err)
	}
	return nil
}

// arrive puts a ticket at the first of the remaining steps, a form, in a row of
// its own; or closes it when nothing remains.
func (e *Engine) arrive(db database.Queries, uuid string, row database.Ticket, rest []database.Step) error {
	row.Running, row.UpdateTime = false, time.Now()
	if len(rest) == 0 {
		row.Closed = true
		if _, err := db.UpdateTicket(uuid, row); err != nil {
			return fmt.Errorf("closing a ticket: %w", err)
		}
		return nil
	}
	row.History = true
	if _, err := db.UpdateTicket(uuid, row); err != nil {
		return fmt.Errorf("leaving a step: %w", err)
	}
	row.History, row.Stop = false, rest[0].Name
	if _, err := db.InsertTicket(uuid, row); err != nil {
		return fmt.Errorf("entering step %s: %w", rest[0].Name, err)
	}
	return nil
}
