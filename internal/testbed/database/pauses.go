package database

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// The statements of one who looks after pauses: the newest schedule that was there when
// a lead server started, the pauses that are overdue or not over, and the end of what a
// server that was killed has left twice.
const (
	isPause = `s.cycle = 'Once' AND s.is_active = true AND s.flowactive_id IS NULL AND s.type IS NULL`

	scheduleLast = `SELECT s.id FROM omflow_scheduler s WHERE s.create_time < timestamptz '([\d :-]{19})\+00' ORDER BY s.id DESC LIMIT 1`

	pausesOverdue = `SELECT s.id, left\(s.input_param, (\d{1,4})\) FROM omflow_scheduler s WHERE s.id > (\d{1,9}) AND ` + isPause +
		` AND s.exec_time < timestamptz '([\d :-]{19})\+00' ORDER BY s.id LIMIT (\d{1,6})`

	pausesActive = `SELECT s.id, left\(s.input_param, (\d{1,4})\) FROM omflow_scheduler s WHERE ` + isPause + ` ORDER BY s.id DESC LIMIT (\d{1,6})`

	pauseFired = `UPDATE omflow_scheduler SET is_active = false WHERE id = (\d{1,9}) AND is_active = true ` +
		`AND EXISTS \(SELECT 1 FROM omflow_queuedata q WHERE q.queue_id = '([\w-]{1,128})'\)`

	pausePassed = `DELETE FROM omflow_queuedata WHERE queue_id = '([\w-]{1,128})' ` +
		`AND EXISTS \(SELECT 1 FROM omflow_scheduler s WHERE s.id = (\d{1,9}) AND ` + isPause + `\)`
)

// pushSleepPoint is what OMFLOW calls when a pause is over.
const pushSleepPoint = "pushSleepPoint"

// restData is what input_param has of a ticket that rests. OMFLOW's has more, after
// this.
type restData struct {
	Flow   string `json:"flow_uuid"`
	To     string `json:"chart_id_to"`
	From   string `json:"chart_id_from"`
	DataNo int    `json:"data_no"`
	DataID int    `json:"data_id"`
	Table  string `json:"table_uuid"`
	User   string `json:"standin_user"`
}

// param is the column input_param.
func (s Schedule) param() ([]byte, error) {
	p := s.Pause
	if p == nil {
		return json.Marshal(scheduled{Flow: s.FlowUUID, Form: s.Form})
	}
	data, err := json.Marshal(restData{s.FlowUUID, p.Chart, p.From, p.DataNo, p.DataID, s.FlowUUID, p.User})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(scheduled{pushSleepPoint, s.FlowUUID, data})
	return pythonJSON(text), err
}

// rest takes from the column what it says of a ticket that rests, if it does.
func (s *Schedule) rest(what scheduled) error {
	if what.Method != pushSleepPoint {
		return nil
	}
	var d restData
	if err := json.Unmarshal(what.Form, &d); err != nil {
		return err
	}
	s.Form = nil
	s.Pause = &Pause{DataNo: d.DataNo, DataID: d.DataID, From: d.From, Chart: d.To, User: d.User}
	return nil
}

// moment reads a time that a statement's form has bounded.
func moment(text string) (time.Time, error) {
	t, err := time.Parse(scheduleLayout, text)
	if err != nil {
		return t, refuse(stateUnsupported, "%q is no time", text)
	}
	return t, nil
}

// newestFirst are all schedules.
func (s *Server) newestFirst() ([]Schedule, error) {
	var all []Schedule
	err := service{s.store}.Schedules(None{}, &all)
	slices.SortFunc(all, func(a, b Schedule) int { return cmp.Compare(b.ID, a.ID) })
	return all, err
}

// lastSchedule is the newest that was made before a time.
func (s *Server) lastSchedule(args []string) (result, error) {
	before, err := moment(args[0])
	if err != nil {
		return result{}, err
	}
	all, err := s.newestFirst()
	if err != nil {
		return result{}, err
	}
	for _, v := range all {
		if v.Made.Before(before) {
			return oneRow(intColumn("id"), strconv.Itoa(v.ID)), nil
		}
	}
	return result{tag: "SELECT 0", columns: []pgproto3.FieldDescription{intColumn("id")}}, nil
}

func (s *Server) overduePauses(args []string) (result, error) {
	after := number(args[1])
	due, err := moment(args[2])
	if err != nil {
		return result{}, err
	}
	all, err := s.newestFirst()
	slices.Reverse(all)
	all = slices.DeleteFunc(all, func(v Schedule) bool { return v.ID <= after || !v.Exec.Before(due) })
	return pauseRows(all, number(args[0]), number(args[3]), err)
}

func (s *Server) activePauses(args []string) (result, error) {
	all, err := s.newestFirst()
	return pauseRows(all, number(args[0]), number(args[1]), err)
}

// pauseRows are the first rows of those that rest.
func pauseRows(all []Schedule, head, limit int, err error) (result, error) {
	r := result{columns: []pgproto3.FieldDescription{intColumn("id"), textColumn("left")}}
	for _, v := range all {
		if err != nil || v.Pause == nil || !v.Active || len(r.rows) == limit {
			continue
		}
		var param []byte
		param, err = v.param()
		r.rows = append(r.rows, [][]byte{strconv.AppendInt(nil, int64(v.ID), 10), left(string(param), head)})
	}
	r.tag = fmt.Sprintf("SELECT %d", len(r.rows))
	return r, err
}

// queued reports whether the journal has a row of that queue_id. The caller holds the
// store.
func (s *Server) queued(queueID string) (id int, ok bool) {
	for id, q := range s.store.state.Queue {
		if q.QueueID() == queueID {
			return id, true
		}
	}
	return 0, false
}

// firedPause makes a pause inactive that the journal shows to be over.
func (s *Server) firedPause(args []string) (result, error) {
	defer service{s.store}.change()()
	v, ok := s.store.state.Schedules[number(args[0])]
	if _, queued := s.queued(args[1]); !ok || !v.Active || !queued {
		return result{tag: "UPDATE 0"}, nil
	}
	v.Active = false
	s.store.state.Schedules[v.ID] = v
	return result{tag: "UPDATE 1"}, nil
}

// passedPause removes rows of the journal whose ticket has come to a pause.
func (s *Server) passedPause(args []string) (result, error) {
	defer service{s.store}.change()()
	n := 0
	if v, ok := s.store.state.Schedules[number(args[1])]; ok && v.Active && v.Pause != nil {
		for id, queued := s.queued(args[0]); queued; id, queued = s.queued(args[0]) {
			delete(s.store.state.Queue, id)
			n++
		}
	}
	return result{tag: fmt.Sprintf("DELETE %d", n)}, nil
}
