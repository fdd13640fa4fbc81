package database

import (
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	booster "github.com/omflow/booster/internal/database"
)

// startBoth returns the database as OMFLOW sees it and as the booster does.
func startBoth(t *testing.T) (Queries, *booster.DB) {
	t.Helper()
	s, queries := startPostgres(t, "")
	host, port, err := net.SplitHostPort(s.PostgresAddr())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	db, err := booster.Open(booster.Target{Engine: booster.Postgres, Host: host, Port: n, Name: PostgresName, User: PostgresRole})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return queries, db
}

func TestEndedSteps(t *testing.T) {
	q, db := startBoth(t)
	const flow = "dc33fb340034418c8fbb3baf15525e86"
	if err := q.CreateTable(flow); err != nil {
		t.Fatal(err)
	}
	stop := time.Now()
	for _, row := range []Ticket{
		{DataNo: 1, History: true, Stop: "a", StopTime: stop}, {DataNo: 1, Stop: "a", StopTime: stop}, // ended
		{DataNo: 2, History: true, Stop: "a", StopTime: stop}, // its next row is not there yet
		{DataNo: 3, Running: true},
		{DataNo: 4, History: true, Closed: true},
		{DataNo: 5, History: true, Stop: "a", StopTime: stop}, {DataNo: 5, Stop: "a", StopTime: stop.Add(time.Microsecond)},
	} {
		made, err := q.InsertTicket(flow, row)
		if err == nil {
			_, err = q.Enqueue(QueueItem{FlowUUID: flow, DataNo: row.DataNo, DataID: made.ID, Chart: "FITEM_1"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, item := range []QueueItem{{FlowUUID: flow, Chart: "FITEM_1"}, {FlowUUID: "00000000000000000000000000000000", DataID: 1, Chart: "FITEM_1"}} {
		if _, err := q.Enqueue(item); err != nil {
			t.Fatal(err)
		}
	}
	removed, _, err := db.RemoveEnded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var tickets []int64
	for _, s := range removed {
		tickets = append(tickets, s.DataNo)
	}
	if fmt.Sprint(tickets) != "[1 4]" {
		t.Errorf("removed %v, want tickets 1 and 4", removed)
	}
	if left, err := q.Queue(); err != nil || len(left) != 7 {
		t.Errorf("%d rows are left, %v", len(left), err)
	}
}

func TestMissedSchedules(t *testing.T) {
	q, db := startBoth(t)
	if _, err := q.SaveFlow(Flow{UUID: "f", Name: "任務單"}); err != nil {
		t.Fatal(err)
	}
	exec := time.Date(2026, 1, 1, 1, 2, 3, 0, time.UTC)
	made, err := q.SaveSchedule(Schedule{FlowUUID: "f", Cycle: "Minutely", Every: 5, Exec: exec, Active: true, LastRun: exec.Add(time.Hour)})
	if err == nil {
		_, err = q.SaveSchedule(Schedule{FlowUUID: "f", Cycle: "Minutely", Every: 5, Exec: exec})
	}
	if err == nil {
		_, err = q.SaveSchedule(Schedule{FlowUUID: "f", Cycle: "Daily", Every: 5, Exec: exec, Active: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	list, err := db.Schedules(t.Context(), []string{"Minutely", "Weekly"})
	want := booster.Schedule{ID: int64(made.ID), Flow: "任務單", Every: "5", Cycle: "Minutely", Days: "[]", Exec: "2026-01-01 01:02:03", ExecUTC: true,
		Last: fmt.Sprintf(`{"%d":"2026-01-01 10:02:03"}`, made.ID)}
	if err != nil || len(list) != 1 || list[0] != want {
		t.Errorf("schedules %+v, %v; want %+v", list, err, want)
	}
	for i, want := range []bool{true, false} {
		if done, err := db.RunMissed(t.Context(), int64(made.ID), "2026-01-01 10:07:03"); err != nil || done != want {
			t.Errorf("time %d: %v, %v", i, done, err)
		}
	}
	if done, err := db.RunMissed(t.Context(), 999, "2026-01-01 10:07:03"); err != nil || done {
		t.Errorf("a schedule that is deleted: %v, %v", done, err)
	}
	all, err := q.Schedules()
	if err != nil || len(all) != 4 {
		t.Fatalf("%d schedules, %v", len(all), err)
	}
	once := all[3]
	if once.Cycle != "Once" || !once.Active || once.Mark == "" || !once.Exec.Equal(exec) || !once.LastRun.IsZero() || once.FlowUUID != "f" {
		t.Errorf("once more: %+v", once)
	}
	for _, active := range []bool{true, false} {
		once.Active = active
		if _, err := q.SaveSchedule(once); err != nil {
			t.Fatal(err)
		}
		if err := db.ForgetMissed(t.Context(), "2026-01-02 00:00:00"); err != nil {
			t.Error(err)
		}
		if all, err := q.Schedules(); err != nil || (len(all) == 4) != active {
			t.Errorf("active %t: %d schedules are left, %v", active, len(all), err)
		}
	}
}
