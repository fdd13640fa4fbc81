package engine

import (
	"fmt"
	"strconv"
	"strings"
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

// chart is OMFLOW's name of a place in a flow: 0 is the start, 1 the first step.
func chart(i int) string { return fmt.Sprintf("FITEM_%d", i+1) }

// place is the opposite of chart.
func place(chart string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(chart, "FITEM_"))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("the flow queue's journal names a chart %q", chart)
	}
	return n - 1, nil
}

// run does the work of the chart that a ticket has left and brings the ticket to
// the next one. A step that follows makes a row and an item of its own, so that
// the journal names the step that runs.
func (e *Engine) run(db database.Queries, item database.QueueItem) error {
	f, ok := e.Flow(item.FlowUUID)
	if !ok {
		return fmt.Errorf("找不到流程 %s", item.FlowUUID)
	}
	switch {
	case item.DataID == 0:
		return e.validate(db, f, item)
	case item.Push:
		return e.push(db, item)
	}
	steps, err := e.steps(f)
	if err != nil {
		return fmt.Errorf("找不到main.py: %w", err)
	}
	next, err := place(item.Chart)
	if err != nil {
		return err
	}
	if next > len(steps) {
		return fmt.Errorf("version %d of the flow has no chart %s", f.Version, item.Chart)
	}
	var left database.Step // none at the start
	if next > 0 {
		left = steps[next-1]
	}
	if !e.sleep(left.Work) {
		return nil // killed in the middle of the step
	}
	row, err := db.Ticket(item.FlowUUID, item.DataID)
	if err != nil {
		return fmt.Errorf("reading a ticket: %w", err)
	}
	if row.ID == 0 { // deleted while it was in the queue
		return db.Dequeue(item.QueueID())
	}
	if !f.Active {
		return e.fail(db, item, row, "該流程目前為停用狀態。")
	}
	if left.Parameter != "" {
		row.Status = e.parameter(left.Parameter)
	}
	if next < len(steps) {
		row.Progress = database.Progress{From: item.Chart, To: chart(next + 1), DataID: row.ID}
	}
	if next < len(steps) && steps[next].Pause > 0 {
		return e.pause(db, item, row, steps[next].Pause)
	}
	if next < len(steps) && steps[next].Work > 0 {
		return e.enter(db, item, row, steps[next].Name, chart(next+1))
	}
	if err := e.arrive(db, item.FlowUUID, row, steps[next:]); err != nil {
		return err
	}
	if err := db.Dequeue(item.QueueID()); err != nil {
		return fmt.Errorf("clearing the flow queue's journal: %w", err)
	}
	return nil
}

// enter lets a ticket begin a background step. The old row of the journal goes
// first: for a moment the journal has none of this ticket, and one that dies in it
// is never resumed.
func (e *Engine) enter(db database.Queries, item database.QueueItem, row database.Ticket, step, chart string) error {
	row.Stop, row.UpdateTime = step, time.Now()
	if _, err := db.UpdateTicket(item.FlowUUID, row); err != nil {
		return fmt.Errorf("entering step %s: %w", step, err)
	}
	if err := db.Dequeue(item.QueueID()); err != nil {
		return fmt.Errorf("clearing the flow queue's journal: %w", err)
	}
	item.Chart, item.Created = chart, row.UpdateTime
	return e.enqueue(db, item)
}

// push brings a ticket to the chart that it was to go to, for who wrote that into the
// journal.
func (e *Engine) push(db database.Queries, item database.QueueItem) error {
	if err := db.Dequeue(item.QueueID()); err != nil {
		return fmt.Errorf("clearing the flow queue's journal: %w", err)
	}
	item.Push = false
	return e.enqueue(db, item)
}

// fail ends a ticket with an error, as a row of its own.
func (e *Engine) fail(db database.Queries, item database.QueueItem, row database.Ticket, text string) error {
	if err := db.Dequeue(item.QueueID()); err != nil {
		return fmt.Errorf("clearing the flow queue's journal: %w", err)
	}
	row.Running, row.History, row.Error, row.UpdateTime = false, true, text, time.Now()
	row.StopTime = row.UpdateTime
	if _, err := db.UpdateTicket(item.FlowUUID, row); err != nil {
		return fmt.Errorf("marking a ticket failed: %w", err)
	}
	row.History = false
	if _, err := db.InsertTicket(item.FlowUUID, row); err != nil {
		return fmt.Errorf("marking a ticket failed: %w", err)
	}
	return nil
}

// arrive puts a ticket at the first of the remaining steps, a form, in a row of
// its own; or closes it when nothing remains. The journal's row goes last, by the
// caller: a process that is killed before that leaves a step that has ended, and its
// replay gives the ticket a second open row.
func (e *Engine) arrive(db database.Queries, uuid string, row database.Ticket, rest []database.Step) error {
	row.Running, row.UpdateTime = false, time.Now()
	row.StopTime = row.UpdateTime
	if len(rest) == 0 {
		row.Closed = true
		if _, err := db.UpdateTicket(uuid, row); err != nil {
			return fmt.Errorf("closing a ticket: %w", err)
		}
		return nil
	}
	row.History, row.Stop = true, rest[0].Name
	if _, err := db.UpdateTicket(uuid, row); err != nil {
		return fmt.Errorf("leaving a step: %w", err)
	}
	row.History = false
	if _, err := db.InsertTicket(uuid, row); err != nil {
		return fmt.Errorf("entering step %s: %w", rest[0].Name, err)
	}
	return nil
}
