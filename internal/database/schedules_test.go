package database

import (
	"fmt"
	"strings"
	"testing"
)

// testSchedules reads, copies and forgets schedules. The tables are as Django makes them,
// and empty. exec is how a time is written so that it is 01:02:03 in UTC.
func testSchedules(t *testing.T, db *DB, exec string) {
	t.Helper()
	do := func(statement string) {
		t.Helper()
		if _, err := db.pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	const now = "'2026-11-26 00:00:00'"
	do(`INSERT INTO omformflow_flowactive (id, flow_name) VALUES (7, '任務單')`)
	row := func(id int, cycle, active, flow string) {
		t.Helper()
		do(fmt.Sprintf(`INSERT INTO omflow_scheduler (id, create_time, exec_time, every, cycle, cycle_date, exec_fun, input_param, is_active, last_exec_time, flowactive_id)
			VALUES (%d, %s, %s, '5', '%s', '[]', '{"f": "%d"}', '{"p": "''任務"}', %s, '{"%d": "2026-11-26 09:00:00"}', %s)`, id, now, exec, cycle, id, active, id, flow))
	}
	row(1001, "Minutely", "true", "7")
	row(1002, "Daily", "true", "7")
	row(1003, "Minutely", "false", "7")
	row(1004, "Minutely", "true", "NULL") // OMFLOW's own
	row(1005, "Weekly", "true", "7")
	list, err := db.Schedules(t.Context(), []string{"Minutely", "Weekly"})
	if err != nil {
		t.Fatal(err)
	}
	want := Schedule{ID: 1001, Flow: "任務單", Every: "5", Cycle: "Minutely", Days: "[]", Exec: "2026-11-26 01:02:03",
		ExecUTC: db.target.Engine == Postgres, Last: `{"1001": "2026-11-26 09:00:00"}`}
	if len(list) != 2 || list[0] != want || list[1].ID != 1005 {
		t.Fatalf("schedules %+v, want %+v and 1005", list, want)
	}
	if _, err := db.Schedules(t.Context(), []string{"x' OR '1' = '1"}); err == nil {
		t.Error("a cycle with quotes is taken")
	}

	run := func(id int64, at string, want bool) {
		t.Helper()
		if done, err := db.RunMissed(t.Context(), id, at); err != nil || done != want {
			t.Errorf("%d at %s: %v, %v; want %v", id, at, done, err, want)
		}
	}
	const at, later = "2026-11-26 09:05:00", "2026-11-26 09:10:00"
	run(1001, at, true)
	run(1001, at, false) // once
	run(1001, later, true)
	run(1005, at, true)
	run(1003, at, false) // disabled
	run(9999, at, false) // deleted
	if _, err := db.RunMissed(t.Context(), 1, "2026-11-26' --"); err == nil {
		t.Error("a time with a quote is taken")
	}
	copies := func() (all []string) {
		t.Helper()
		rows, err := db.pool.Query(`SELECT type, every, cycle, cycle_date, exec_fun, input_param, last_exec_time, flowactive_id, is_active FROM omflow_scheduler
			WHERE cycle = 'Once' AND exec_time IS NOT NULL ORDER BY id`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var mark, every, cycle, days, fun, param string
			var last, flow *string
			var active bool
			if err := rows.Scan(&mark, &every, &cycle, &days, &fun, &param, &last, &flow, &active); err != nil {
				t.Fatal(err)
			}
			if every != "1" || days != "[]" || !strings.HasPrefix(fun, `{"f": "100`) || param != `{"p": "'任務"}` || last != nil || flow != nil || !active {
				t.Errorf("copy %s: %s %s %s %s %v %v %v", mark, every, days, fun, param, last, flow, active)
			}
			all = append(all, mark)
		}
		return all
	}
	if got := fmt.Sprint(copies()); got != "[omflow-booster 2026-11-26 09:05:00 1001 omflow-booster 2026-11-26 09:10:00 1001 omflow-booster 2026-11-26 09:05:00 1005]" {
		t.Errorf("copies %s", got)
	}
	forget := func(want int) {
		t.Helper()
		if err := db.ForgetMissed(t.Context(), "2026-11-26 09:10:00"); err != nil {
			t.Error(err)
		}
		if got := copies(); len(got) != want {
			t.Errorf("after forgetting: %v", got)
		}
	}
	forget(3) // none was fired
	do(`UPDATE omflow_scheduler SET is_active = false WHERE type IS NOT NULL AND type NOT LIKE '%1005'`)
	// What was fired is forgotten, if it is older; others' rows stay.
	do(`INSERT INTO omflow_scheduler (id, create_time, exec_time, cycle, exec_fun, input_param, is_active) VALUES (2001, ` + now + `, NULL, 'Once', 'f', 'p', false)`)
	if err := db.ForgetMissed(t.Context(), "2026-11-26 09:10:00"); err != nil {
		t.Error(err)
	}
	var left int
	if err := db.pool.QueryRow(`SELECT count(*) FROM omflow_scheduler WHERE cycle = 'Once'`).Scan(&left); err != nil || left != 3 {
		t.Errorf("%d copies are left, %v; want the later one, the one that was not fired, and OMFLOW's", left, err)
	}
	run(1001, later, false)
}

func TestPostgresSchedules(t *testing.T) {
	c := need(t, "PostgreSQL 15", startPostgres)
	c.do(t, "postgres", `CREATE ROLE u_schedules LOGIN PASSWORD 'right'`, `CREATE DATABASE d_schedules OWNER u_schedules`)
	db := mustOpen(t, c.target("u_schedules", "right", "d_schedules"))
	if _, err := db.Schedules(t.Context(), []string{"Weekly"}); Classify(err) != NoTable {
		t.Errorf("without a table: %v", err)
	}
	c.do(t, "d_schedules", `CREATE TABLE omflow_scheduler (id serial PRIMARY KEY, create_time timestamp with time zone NOT NULL,
		exec_time timestamp with time zone, every varchar(50), cycle varchar(50), cycle_date varchar(50), exec_fun varchar(500) NOT NULL,
		input_param text NOT NULL, is_active boolean NOT NULL, last_exec_time text, next_exec_time text, type text, flowactive_id integer)`,
		`CREATE TABLE omformflow_flowactive (id serial PRIMARY KEY, flow_name varchar(200))`,
		`GRANT ALL ON ALL TABLES IN SCHEMA public TO u_schedules`, `GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO u_schedules`)
	testSchedules(t, db, "'2026-11-26 09:02:03+08'")
}

func TestMariaDBSchedules(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_schedules CHARACTER SET utf8mb4", "CREATE USER u_schedules@'%' IDENTIFIED BY 'right'", "GRANT ALL ON d_schedules.* TO u_schedules@'%'")
	db := mustOpen(t, c.target("u_schedules", "right", "d_schedules"))
	c.do(t, "d_schedules", "CREATE TABLE `omflow_scheduler` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `create_time` datetime(6) NOT NULL, "+
		"`exec_time` datetime(6) NULL, `every` varchar(50) NULL, `cycle` varchar(50) NULL, `cycle_date` varchar(50) NULL, `exec_fun` varchar(500) NOT NULL, "+
		"`input_param` longtext NOT NULL, `is_active` bool NOT NULL, `last_exec_time` longtext NULL, `next_exec_time` longtext NULL, `type` longtext NULL, "+
		"`flowactive_id` integer NULL)",
		"CREATE TABLE `omformflow_flowactive` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `flow_name` varchar(200))")
	testSchedules(t, db, "'2026-11-26 01:02:03'")
}

// TestScheduleStatements finds a statement that no test here runs and that has a hole,
// or a quote too many.
func TestScheduleStatements(t *testing.T) {
	for engine := range dialects {
		s := scheduleStatements[engine]
		for _, text := range []string{s.read, s.insert, s.forget} {
			filled := strings.NewReplacer("{cycles}", "'Weekly'", "{limit}", "1", "{times}", "1", "{id}", "1", "{mark}", "m", "{old}", "o").Replace(text)
			if text == "" || strings.ContainsAny(filled, "{}") || strings.Count(filled, "'")%2+strings.Count(filled, `"`)%2+
				strings.Count(filled, "(")-strings.Count(filled, ")") != 0 {
				t.Errorf("%s: %s", engine, filled)
			}
		}
	}
}
