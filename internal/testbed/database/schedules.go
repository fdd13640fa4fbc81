package database

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// The statements of one who looks after schedules that no server has fired: which there
// are, one more firing of one, and the end of those that were fired.
const (
	schedulesRead = `SELECT s.id, f.flow_name, s.every, s.cycle, s.cycle_date, to_char\(s.exec_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'\), ` +
		`left\(s.last_exec_time, \d{1,4}\), left\(s.next_exec_time, \d{1,4}\) FROM omflow_scheduler s JOIN omformflow_flowactive f ON f.id = s.flowactive_id ` +
		`WHERE s.is_active = true AND s.cycle IN \(([\w', ]{1,200})\) ORDER BY s.id LIMIT (\d{1,6})`

	scheduleMissed = `INSERT INTO omflow_scheduler \(create_time, exec_time, every, cycle, cycle_date, exec_fun, input_param, is_active, type\) ` +
		`SELECT now\(\), s.exec_time, '1', 'Once', '\[\]', s.exec_fun, s.input_param, true, '([^']{1,100})' ` +
		`FROM omflow_scheduler s WHERE s.id = (\d{1,9}) AND s.is_active = true ` +
		`AND NOT EXISTS \(SELECT 1 FROM omflow_scheduler m WHERE m.cycle = 'Once' AND m.type = '([^']{1,100})'\)`

	schedulesForget = `DELETE FROM omflow_scheduler WHERE cycle = 'Once' AND is_active = false AND type >= '([^']{1,100})' AND type < '([^']{1,100})'`
)

// scheduleZone is the zone of the times that OMFLOW writes as text: TIME_ZONE in the
// settings.py of a stand-in.
var scheduleZone = time.FixedZone("Asia/Taipei", 8*60*60)

const scheduleLayout = "2006-01-02 15:04:05"

// lastExecTime is the column last_exec_time.
func (s Schedule) lastExecTime() []byte {
	if s.LastRun.IsZero() {
		return nil
	}
	text, err := json.Marshal(map[string]string{strconv.Itoa(s.ID): s.LastRun.In(scheduleZone).Format(scheduleLayout)})
	if err != nil {
		return nil // can't be: these are two texts
	}
	return text
}

func (s *Server) readSchedules(args []string) (result, error) {
	cycles, limit := strings.Split(args[0], ", "), number(args[1])
	calls := service{s.store}
	var all []Schedule
	if err := calls.Schedules(None{}, &all); err != nil {
		return result{}, err
	}
	defer calls.lock()()
	r := result{columns: []pgproto3.FieldDescription{intColumn("id")}}
	for _, name := range []string{"flow_name", "every", "cycle", "cycle_date", "to_char", "left", "left"} {
		r.columns = append(r.columns, textColumn(name))
	}
	for _, v := range all {
		if !v.Active || v.Mark != "" || v.Pause != nil || !slices.Contains(cycles, "'"+v.Cycle+"'") || len(r.rows) == limit {
			continue
		}
		r.rows = append(r.rows, [][]byte{
			strconv.AppendInt(nil, int64(v.ID), 10), []byte(s.store.state.Flows[v.FlowUUID].Name), strconv.AppendInt(nil, int64(v.Every), 10),
			[]byte(v.Cycle), []byte("[]"), []byte(v.Exec.UTC().Format(scheduleLayout)), v.lastExecTime(), nil,
		})
	}
	r.tag = fmt.Sprintf("SELECT %d", len(r.rows))
	return r, nil
}

func (s *Server) runMissed(args []string) (result, error) {
	mark, id := args[0], number(args[1])
	if args[2] != mark {
		return result{}, refuse(stateUnsupported, "two marks in one statement")
	}
	defer service{s.store}.change()()
	v, ok := s.store.state.Schedules[id]
	if !ok || !v.Active {
		return result{tag: "INSERT 0 0"}, nil
	}
	for _, o := range s.store.state.Schedules {
		if o.Cycle == "Once" && o.Mark == mark {
			return result{tag: "INSERT 0 0"}, nil
		}
	}
	v.ID, v.Cycle, v.Every, v.LastRun, v.Mark, v.Made = s.store.nextID(), "Once", 1, time.Time{}, mark, time.Now()
	s.store.state.Schedules[v.ID] = v
	return result{tag: "INSERT 0 1"}, nil
}

func (s *Server) forgetMissed(args []string) (result, error) {
	defer service{s.store}.change()()
	n := 0
	for id, v := range s.store.state.Schedules {
		if v.Cycle == "Once" && !v.Active && v.Mark >= args[0] && v.Mark < args[1] {
			delete(s.store.state.Schedules, id)
			n++
		}
	}
	return result{tag: fmt.Sprintf("DELETE %d", n)}, nil
}
