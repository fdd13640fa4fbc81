package database

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const pauseFlow = "7839a7c1146640f88e940b0334fdd866"

// pauseParam is the input_param of a pause, as sleepPoint writes it.
func pauseParam(data int, more string) string {
	return fmt.Sprintf(`{"module_name": "omformflow.views", "method_name": "pushSleepPoint", "flow_uuid": "%s", "formdata": {"flow_uuid": "%s", `+
		`"chart_id_to": "FITEM_2", "chart_id_from": "FITEM_1", "data_no": %d, "data_id": %d, "table_uuid": "%s", "flowlog": true, "error": false, `+
		`"flow_value": {"result": "success"}, "error_pass": false%s}}`, pauseFlow, pauseFlow, data+100, data, pauseFlow, more)
}

func ids(pauses []Pause) (all []int64) {
	for _, p := range pauses {
		all = append(all, p.ID)
	}
	return all
}

// testPauses finds pauses and settles what was left twice. The tables are as Django makes
// them, and empty. at writes a time of 2026-11-26 in UTC, and zone is the tables'.
func testPauses(t *testing.T, db *DB, at func(string) string, zone *time.Location) {
	t.Helper()
	do := func(statement string) {
		t.Helper()
		if _, err := db.pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	row := func(id int, made, exec, cycle, active, flow, mark, param string) {
		t.Helper()
		do(fmt.Sprintf(`INSERT INTO omflow_scheduler (id, create_time, exec_time, every, cycle, cycle_date, exec_fun, input_param, is_active, flowactive_id, type)
			VALUES (%d, %s, %s, '1', '%s', '[]', 'f', '%s', %s, %s, %s)`, id, at(made), at(exec), cycle, param, active, flow, mark))
	}
	const none = "NULL"
	row(1, "01:00:00", "01:00:10", "Once", "true", none, none, pauseParam(1, ""))
	row(2, "02:00:00", "02:00:10", "Once", "true", none, none, pauseParam(2, ""))
	row(3, "02:00:01", "02:00:11", "Once", "false", none, none, pauseParam(3, ""))
	row(4, "02:00:02", "02:00:12", "Once", "true", "7", none, pauseParam(4, ""))
	row(5, "02:00:03", "02:00:13", "Once", "true", none, "'omflow-booster 1'", pauseParam(5, ""))
	row(6, "02:00:04", "02:00:14", "Daily", "true", none, none, pauseParam(6, ""))
	row(7, "02:00:05", "02:00:15", "Once", "true", none, none, `{"x": 1}`)
	row(8, "02:00:06", "02:30:00", "Once", "true", none, none, pauseParam(8, `, "async_main_ticket_id": 88`))

	moment := func(text string) time.Time {
		t.Helper()
		m, err := time.Parse(time.DateTime, "2026-11-26 "+text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for before, want := range map[string]int64{"00:30:00": 0, "01:30:00": 1, "02:00:04": 5, "03:00:00": 8} {
		if id, err := db.LastSchedule(t.Context(), moment(before), zone); err != nil || id != want {
			t.Errorf("the newest schedule before %s: %d, %v, want %d", before, id, err, want)
		}
	}
	for _, tt := range []struct {
		after int64
		due   string
		want  []int64
	}{
		{0, "02:10:00", []int64{1, 2, 7}}, {1, "02:10:00", []int64{2, 7}}, {1, "02:00:10", nil}, {1, "02:00:11", []int64{2}}, {1, "02:40:00", []int64{2, 7, 8}}, {8, "02:40:00", nil},
	} {
		pauses, err := db.OverduePauses(t.Context(), tt.after, moment(tt.due), zone)
		if err != nil || !slices.Equal(ids(pauses), tt.want) {
			t.Errorf("overdue at %s after %d: %+v, %v, want %v", tt.due, tt.after, pauses, err, tt.want)
		}
	}
	pauses, err := db.OverduePauses(t.Context(), 1, moment("02:10:00"), zone)
	if err != nil || pauses[0].Flow != pauseFlow || pauses[0].DataNo != 102 || pauses[0].DataID != 2 || pauses[1].Flow != "" {
		t.Errorf("pauses %+v, %v", pauses, err)
	}

	queue := func(id int, data int, chart string) {
		t.Helper()
		do(fmt.Sprintf(`INSERT INTO omflow_queuedata (id, queue_id, name, input_param) VALUES (%d, '%s%d%s', 'FormFlow', '{}')`, id, pauseFlow, data, chart))
	}
	if settled, err := db.SettlePauses(t.Context()); err != nil || len(settled.Fired)+len(settled.Passed) != 0 {
		t.Errorf("an empty journal: %+v, %v", settled, err)
	}
	queue(1, 1, "FITEM_2")  // fired, and not written down
	queue(2, 2, "FITEM_1")  // the pause has begun
	queue(3, 3, "FITEM_1")  // its pause is over: it goes through the flow once more
	queue(4, 8, "FITEM_1")  // a fork's branch
	queue(5, 88, "FITEM_1") // the fork
	queue(6, 20, "FITEM_2") // another ticket
	settled, err := db.SettlePauses(t.Context())
	if err != nil || fmt.Sprint(ids(settled.Fired), ids(settled.Passed)) != "[1] [2]" {
		t.Errorf("settled %+v, %v", settled, err)
	}
	if again, err := db.SettlePauses(t.Context()); err != nil || len(again.Fired)+len(again.Passed) != 0 {
		t.Errorf("settled again %+v, %v", again, err)
	}
	left := func(statement string) (all []int64) {
		t.Helper()
		rows, err := db.pool.Query(statement)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			all = append(all, id)
		}
		return all
	}
	if got := fmt.Sprint(left("SELECT id FROM omflow_queuedata ORDER BY id"), left("SELECT id FROM omflow_scheduler WHERE is_active = true ORDER BY id")); got != "[1 3 4 5 6] [2 4 5 6 7 8]" {
		t.Errorf("left: %s", got)
	}
}

func TestPostgresPauses(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_pauses LOGIN PASSWORD 'right'`, `CREATE DATABASE d_pauses OWNER u_pauses`)
	db := mustOpen(t, c.target("u_pauses", "right", "d_pauses"))
	if _, err := db.LastSchedule(t.Context(), time.Now(), time.UTC); Classify(err) != NoTable {
		t.Errorf("without a table: %v", err)
	}
	c.do(t, "d_pauses", `CREATE TABLE omflow_scheduler (id serial PRIMARY KEY, create_time timestamp with time zone NOT NULL,
		exec_time timestamp with time zone, every varchar(50), cycle varchar(50), cycle_date varchar(50), exec_fun varchar(500) NOT NULL,
		input_param text NOT NULL, is_active boolean NOT NULL, last_exec_time text, next_exec_time text, type text, flowactive_id integer)`,
		`CREATE TABLE omflow_queuedata (id serial PRIMARY KEY, queue_id text, name varchar(50) NOT NULL, module_name text, method_name text, input_param text)`,
		`GRANT ALL ON ALL TABLES IN SCHEMA public TO u_pauses`)
	// The zone does not matter: the columns hold instants.
	testPauses(t, db, func(clock string) string { return "'2026-11-26 " + clock + "+00'" }, time.FixedZone("", 3600))
}

func TestMariaDBPauses(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_pauses CHARACTER SET utf8mb4", "CREATE USER u_pauses@'%' IDENTIFIED BY 'right'", "GRANT ALL ON d_pauses.* TO u_pauses@'%'")
	db := mustOpen(t, c.target("u_pauses", "right", "d_pauses"))
	c.do(t, "d_pauses", "CREATE TABLE `omflow_scheduler` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `create_time` datetime(6) NOT NULL, "+
		"`exec_time` datetime(6) NULL, `every` varchar(50) NULL, `cycle` varchar(50) NULL, `cycle_date` varchar(50) NULL, `exec_fun` varchar(500) NOT NULL, "+
		"`input_param` longtext NOT NULL, `is_active` bool NOT NULL, `last_exec_time` longtext NULL, `next_exec_time` longtext NULL, `type` longtext NULL, "+
		"`flowactive_id` integer NULL)",
		"CREATE TABLE `omflow_queuedata` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `queue_id` longtext NULL, `name` varchar(50) NOT NULL, "+
			"`module_name` longtext NULL, `method_name` longtext NULL, `input_param` longtext NULL)")
	// As the clock on the wall shows it.
	zone := time.FixedZone("", 8*3600)
	testPauses(t, db, func(clock string) string {
		m, err := time.Parse(time.DateTime, "2026-11-26 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return "'" + m.In(zone).Format(time.DateTime) + "'"
	}, zone)
}

func TestPauseOf(t *testing.T) {
	const step, pause = pauseFlow + "12FITEM_1", pauseFlow + "12FITEM_2"
	whole := Pause{Flow: pauseFlow, DataNo: 112, DataID: 12, before: step, at: pause}
	noStep, padding := whole, strings.Repeat("x", maxParamHead)
	noStep.before = ""
	cut := pauseParam(12, `, "padding": "`+padding+`"`)[:maxParamHead]
	for _, tt := range []struct {
		name, param string
		want        Pause
	}{
		{"a pause", pauseParam(12, ""), whole},
		{"as others write JSON", strings.ReplaceAll(strings.ReplaceAll(pauseParam(12, ""), ": ", ":"), ", ", ","), whole},
		{"a row as text", strings.Replace(pauseParam(12, ""), `"data_id": 12`, `"data_id": "12"`, 1), whole},
		{"a fork's branch", pauseParam(12, `, "async_main_ticket_id": 7`), noStep},
		{"one that is cut off may be one", cut, noStep},
		{"a schedule of a flow", `{"module_name": "omformflow.views", "method_name": "createOmData", "flow_uuid": "` + pauseFlow + `", "formdata": [{"id": "FORMITM_1"}]}`, Pause{}},
		{"another table", strings.Replace(pauseParam(12, ""), `"table_uuid": "7`, `"table_uuid": "'`, 1), Pause{}},
		{"a row that is none", strings.Replace(pauseParam(12, ""), `"data_id": 12`, `"data_id": "x' OR '1"`, 1), Pause{}},
		{"a chart with a quote", strings.Replace(pauseParam(12, ""), `FITEM_1`, `F'1`, 1), noStep},
		{"leads to itself", strings.Replace(pauseParam(12, ""), "FITEM_1", "FITEM_2", 1), Pause{Flow: pauseFlow, DataNo: 112, DataID: 12}},
		{"nothing", "", Pause{}},
	} {
		if got := pauseOf(tt.param); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func FuzzPauseOf(f *testing.F) {
	f.Add(pauseParam(12, ""))
	f.Add(`"formdata": {"table_uuid":"` + pauseFlow + `","data_id":1,"flow_uuid":"'","chart_id_to":"x"}`)
	f.Fuzz(func(t *testing.T, param string) {
		p := pauseOf(param)
		for _, queue := range []string{p.before, p.at} {
			if queue != "" && !queueForm.MatchString(queue) {
				t.Errorf("%q goes into a statement", queue)
			}
		}
	})
}

// TestPauseStatements finds a statement that no test here runs and that has a hole, or a
// quote or a bracket too many.
func TestPauseStatements(t *testing.T) {
	for engine := range dialects {
		s := pauseStatements[engine]
		at := s.when(engine, time.Now(), time.UTC)
		for _, text := range []string{s.last, s.overdue, s.active, s.fired, s.passed} {
			text = strings.NewReplacer("{made}", at, "{due}", at, "{after}", "1", "{head}", "1", "{row}", "1", "{queue}", "q").Replace(text)
			wellFormed(t, engine, limited(text, 1))
		}
	}
}
