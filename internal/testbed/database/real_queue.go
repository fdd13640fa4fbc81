package database

import (
	"encoding/json"
	"strconv"
	"time"
)

func (r realCalls) Enqueue(q QueueItem, out *QueueItem) error {
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	*out = q
	_, err = r.one([]any{&out.ID}, "INSERT INTO omflow_queuedata (queue_id, input_param, value) VALUES ($1, $2, $3) RETURNING id",
		q.QueueID(), string(q.param()), string(text))
	return err
}

// Dequeue removes the row with that queue_id if there is exactly one, as OMFLOW does.
func (r realCalls) Dequeue(queueID string, _ *None) error {
	return r.exec("DELETE FROM omflow_queuedata WHERE queue_id = $1 AND (SELECT count(*) FROM omflow_queuedata WHERE queue_id = $1) = 1", queueID)
}

func (r realCalls) Queue(_ None, out *[]QueueItem) error {
	var id int
	var text, method *string
	var param string
	return r.each([]any{&id, &text, &method, &param}, func() error {
		var q QueueItem
		var err error
		if text != nil {
			err = json.Unmarshal([]byte(*text), &q)
		} else if method != nil {
			q, err = readQueued(*method, param)
		}
		if err != nil {
			return err
		}
		q.ID = id
		*out = append(*out, q)
		return nil
	}, "SELECT id, value, method_name, input_param FROM omflow_queuedata ORDER BY id")
}

// scheduled is the column input_param of a schedule: what it fires.
type scheduled struct {
	Method string          `json:"method_name,omitempty"`
	Flow   string          `json:"flow_uuid"`
	Form   json.RawMessage `json:"formdata,omitempty"`
}

// A schedule has no column of its own for all of it: others make schedules too, as
// copies of these.
const scheduleColumns = "id, input_param, cycle, every, exec_time, is_active, coalesce(type, ''), standin_last_run"

func (r realCalls) schedules(out func(Schedule), where string, args ...any) error {
	var v Schedule
	var param, every string
	var last *time.Time
	return r.each([]any{&v.ID, &param, &v.Cycle, &every, &v.Exec, &v.Active, &v.Mark, &last}, func() error {
		var what scheduled
		if err := json.Unmarshal([]byte(param), &what); err != nil {
			return err
		}
		v.FlowUUID, v.Form, v.Pause, v.LastRun = what.Flow, what.Form, nil, time.Time{}
		err := v.rest(what)
		if err != nil {
			return err
		}
		if v.Every, err = strconv.Atoi(every); err != nil {
			return err
		}
		if last != nil {
			v.LastRun = *last
		}
		out(v)
		return nil
	}, "SELECT "+scheduleColumns+" FROM omflow_scheduler "+where, args...)
}

func (r realCalls) Schedule(id int, out *Schedule) error {
	return r.schedules(func(v Schedule) { *out = v }, "WHERE id = $1", id)
}

func (r realCalls) Schedules(_ None, out *[]Schedule) error {
	return r.schedules(func(v Schedule) { *out = append(*out, v) }, "ORDER BY id")
}

// SaveSchedule updates the row or inserts it again with its old ID, as the object
// mapper's save does for a row that somebody else deleted.
func (r realCalls) SaveSchedule(v Schedule, out *Schedule) error {
	if v.ID == 0 {
		var err error
		if v.ID, err = r.nextID(); err != nil {
			return err
		}
	}
	param, err := v.param()
	if err != nil {
		return err
	}
	var fired *string
	if text := v.lastExecTime(); text != nil {
		s := string(text)
		fired = &s
	}
	*out = v
	// One with a mark belongs to no flow.
	return r.exec(`INSERT INTO omflow_scheduler (id, flowactive_id, create_time, exec_time, every, cycle, cycle_date, exec_fun, input_param, is_active, type,
		last_exec_time, standin_last_run)
		VALUES ($1, (SELECT id FROM omformflow_flowactive WHERE flow_uuid = $2 AND $9 = '' AND NOT $11), now(), $3, $4, $5, '[]', 'omflow', $6, $7, NULLIF($9, ''), $8, $10)
		ON CONFLICT (id) DO UPDATE SET flowactive_id = excluded.flowactive_id, exec_time = excluded.exec_time, every = excluded.every, cycle = excluded.cycle,
		input_param = excluded.input_param, is_active = excluded.is_active, type = excluded.type, last_exec_time = excluded.last_exec_time,
		standin_last_run = excluded.standin_last_run`,
		v.ID, v.FlowUUID, v.Exec, strconv.Itoa(v.Every), v.Cycle, string(param), v.Active, fired, v.Mark, unlessZero(v.LastRun), v.Pause != nil)
}

func (r realCalls) DeleteSchedule(id int, _ *None) error {
	return r.exec("DELETE FROM omflow_scheduler WHERE id = $1", id)
}
