package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
)

// Create opens a ticket with its attachments and returns its number. The ticket is
// running until a worker has brought it to its first form.
//
// The number is 0, without an error, where OMFLOW reports success and no number:
// the flow checks the data first and the ticket comes later, if it does; or the
// attachments could not be moved to the ticket, which is there and has failed.
//
// ErrLost means that nothing was created although OMFLOW says so; a [Refusal]
// means that nothing was created.
func (e *Engine) Create(uuid string, form json.RawMessage, user string, files []Upload) (int, error) {
	f, ok := e.Flow(uuid)
	if !ok {
		return 0, Refusal("'NoneType' object has no attribute 'is_active'")
	}
	if !f.Active {
		return 0, Refusal("該流程目前為停用狀態。")
	}
	mapping, err := e.saveTemp(uuid, files)
	if err != nil {
		return 0, err
	}
	if !e.HasModel(uuid) {
		return 0, ErrLost
	}
	return e.create(e.db, f, form, user, mapping)
}

// create opens a ticket, or has its data checked first.
func (e *Engine) create(db database.Queries, f database.Flow, form json.RawMessage, user, mapping string) (int, error) {
	if f.Validation == 0 {
		return e.open(db, f.UUID, form, user, mapping)
	}
	return 0, e.enqueue(db, database.QueueItem{
		FlowUUID: f.UUID, Chart: chart(0), Form: form, Temp: mapping, User: user, Created: time.Now(),
	})
}

// validate runs the flow that checks a new ticket's data: a ticket needs a title.
// The journal's row goes before the ticket is there, and two checks of one flow
// have the same queue_id, so that neither row goes at all.
func (e *Engine) validate(db database.Queries, f database.Flow, item database.QueueItem) error {
	if !e.sleep(f.Validation) {
		return nil // killed in the middle of it
	}
	if err := db.Dequeue(item.QueueID()); err != nil {
		return fmt.Errorf("clearing the flow queue's journal: %w", err)
	}
	if Title(item.Form) == "" {
		return e.dropTemp(db, item.Temp) // nobody is told
	}
	_, err := e.open(db, f.UUID, item.Form, item.User, item.Temp)
	return err
}

// open makes a ticket and sends it on its way.
func (e *Engine) open(db database.Queries, uuid string, form json.RawMessage, user, mapping string) (int, error) {
	now := time.Now()
	t := database.Ticket{
		CreateUser: user, UpdateUser: user, CreateTime: now, UpdateTime: now, Form: form, Running: true,
	}
	applyForm(&t, form)
	t, err := db.InsertTicket(uuid, t)
	if err != nil {
		return 0, fmt.Errorf("inserting a ticket: %w", err)
	}
	item := database.QueueItem{
		FlowUUID: uuid, DataNo: t.DataNo, DataID: t.ID, Chart: chart(0), User: user, Created: now,
	}
	if mapping != "" {
		if err := e.adoptTemp(db, mapping, item); err != nil {
			e.cfg.Logger.Error("attachments not moved", "flow", uuid, "data_no", t.DataNo, "error", err)
			return 0, e.fail(db, item, t, "OME系統錯誤(開始點)，請通知系統管理員。"+err.Error())
		}
	}
	return t.DataNo, e.enqueue(db, item)
}

// enqueue writes the journal first, so that a crash between the two leaves the
// ticket to the next replay.
func (e *Engine) enqueue(db database.Queries, item database.QueueItem) error {
	item, err := db.Enqueue(item)
	if err != nil {
		return fmt.Errorf("writing the flow queue's journal: %w", err)
	}
	e.queue.push(item)
	return nil
}

// Update pushes an open ticket on from its form and returns its number.
func (e *Engine) Update(uuid string, dataID int, form json.RawMessage, user string) (int, error) {
	if !e.HasModel(uuid) {
		return 0, noTable(uuid)
	}
	t, err := e.db.Ticket(uuid, dataID)
	if err != nil {
		return 0, fmt.Errorf("reading a ticket: %w", err)
	}
	if t.ID == 0 || t.History || t.Closed {
		return 0, Refusal("Omdata_" + uuid + " matching query does not exist.")
	}
	if t.Running {
		return 0, Refusal("該單目前為執行狀態，無法進行更新/刪除。")
	}
	f, ok := e.Flow(uuid)
	if !ok {
		return 0, Refusal("'NoneType' object has no attribute 'mission'")
	}
	if !f.Active {
		return 0, Refusal("該流程目前為停用狀態。")
	}
	left := slices.IndexFunc(f.Steps, func(s database.Step) bool { return s.Name == t.Stop })
	if left < 0 {
		return 0, Refusal("該流程目前並未處於人工處理點，無法人工推進流程。")
	}
	t.Running, t.UpdateUser, t.UpdateTime = true, user, time.Now()
	applyForm(&t, form)
	found, err := e.db.UpdateTicket(uuid, t)
	if err != nil {
		return 0, fmt.Errorf("updating a ticket: %w", err)
	}
	if !found { // deleted meanwhile
		return 0, Refusal("Omdata_" + uuid + " matching query does not exist.")
	}
	return t.DataNo, e.enqueue(e.db, database.QueueItem{
		FlowUUID: uuid, DataNo: t.DataNo, DataID: t.ID, Chart: chart(left + 1), User: user, Created: time.Now(),
	})
}

// Delete removes tickets with their attachments. One that does not exist is no
// error.
func (e *Engine) Delete(uuid string, numbers []int) error {
	if !e.HasModel(uuid) {
		return noTable(uuid)
	}
	for _, no := range numbers {
		if _, err := e.db.DeleteTicket(uuid, no); err != nil {
			return fmt.Errorf("deleting a ticket: %w", err)
		}
		if err := e.removeFiles(uuid, no); err != nil {
			return err
		}
	}
	return nil
}

func noTable(uuid string) error {
	return &MissingTable{UUID: uuid}
}

// MissingTable is the refusal of a flow whose class is not loaded. OMFLOW
// appends the flow to a translated text, so it is not a [Refusal].
type MissingTable struct{ UUID string }

// MissingTableText is the text that the flow's UUID is appended to.
const MissingTableText = "找不到該資料庫：Omdata_"

// Error implements error.
func (m *MissingTable) Error() string { return MissingTableText + m.UUID }

// field is one entry of a form as clients send it.
type field struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// applyForm copies the fields that every OMFLOW form has into the ticket. A form
// that is not one leaves it as it is: OMFLOW takes anything there.
func applyForm(t *database.Ticket, form json.RawMessage) {
	var fields []field
	if json.Unmarshal(form, &fields) != nil {
		return
	}
	for _, f := range fields {
		var text string
		switch f.Type {
		case "h_title", "h_level", "h_status":
			if json.Unmarshal(f.Value, &text) != nil {
				continue
			}
		}
		switch f.Type {
		case "h_title":
			t.Title = text
		case "h_level":
			t.Level = text
		case "h_status":
			t.Status = text
		case "h_group":
			var g struct {
				Group string `json:"group"`
			}
			if json.Unmarshal(f.Value, &g) == nil {
				t.Group = g.Group
			}
		}
	}
}

// Title returns the title in a form, or nothing.
func Title(form json.RawMessage) string {
	var t database.Ticket
	applyForm(&t, form)
	return t.Title
}
