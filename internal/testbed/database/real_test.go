package database

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/dbprocess"
)

// startReal starts a PostgreSQL with the tables of stand-ins and returns its URL.
func startReal(t *testing.T) (*dbprocess.Server, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("real databases are not started in short mode")
	}
	s, err := dbprocess.Postgres(dbprocess.Config{Trust: true})
	dbprocess.Need(t, "PostgreSQL 15", err)
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.PostgresDo(t.Context(), "CREATE ROLE omflow LOGIN", "CREATE DATABASE omflow OWNER omflow"); err != nil {
		t.Fatal(err)
	}
	url := "postgres://omflow@" + s.Address() + "/omflow?sslmode=disable"
	for range 2 { // the second finds all there
		if err := Migrate(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
	return s, url
}

// Both kinds of database have the same calls with the same types.
func TestRealHasAllCalls(t *testing.T) {
	here, there := reflect.TypeFor[service](), reflect.TypeFor[realCalls]()
	for i := range here.NumMethod() {
		m := here.Method(i)
		other, ok := there.MethodByName(m.Name)
		if !ok {
			t.Errorf("a real PostgreSQL has no call %s", m.Name)
			continue
		}
		for j := 1; j < m.Type.NumIn(); j++ {
			if m.Type.In(j) != other.Type.In(j) {
				t.Errorf("call %s takes %s, on a real PostgreSQL %s", m.Name, m.Type.In(j), other.Type.In(j))
			}
		}
	}
	if there.NumMethod() != here.NumMethod() {
		t.Errorf("a real PostgreSQL has %d calls, a Server %d", there.NumMethod(), here.NumMethod())
	}
}

// story makes every call and writes down what came of it, IDs by the order in which they
// were seen.
func story(t *testing.T, q Queries) (said []string) {
	t.Helper()
	ids := map[int]int{0: 0}
	id := func(n int) int {
		if _, ok := ids[n]; !ok {
			ids[n] = len(ids)
		}
		return ids[n]
	}
	say := func(what string, v any, err error) {
		text, encodeErr := json.Marshal(v)
		said = append(said, fmt.Sprint(what, " ", string(text), " ", errors.Join(err, encodeErr)))
	}
	const flow, other = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

	say("ping", nil, q.Ping())
	_, err := q.InsertTicket(flow, Ticket{})
	say("no table", nil, err)
	for range 2 {
		say("table", nil, errors.Join(q.CreateTable(flow), q.CreateTable(other)))
	}
	say("user", nil, q.SaveUser(User{Name: "u", Nick: "one", Groups: []int{2}}))
	first, err := q.User("u")
	first.ID = id(first.ID)
	say("user", first, err)
	say("user", nil, q.SaveUser(User{Name: "u", Nick: "two"}))
	again, err := q.User("u")
	again.ID = id(again.ID)
	say("user", again, err)
	none, err := q.User("nobody")
	say("no user", none, err)

	say("session", nil, q.InsertSession(Session{Key: "k", Data: []byte{0, 1, 2}, Expire: now}))
	for _, key := range []string{"k", "none"} {
		found, err := q.UpdateSession(Session{Key: key, Data: []byte("new"), Expire: now})
		say("update session", found, err)
		s, err := q.Session(key)
		say("session", s, err)
	}
	sessions, err := q.Sessions()
	say("sessions", sessions, err)
	say("delete session", nil, errors.Join(q.DeleteSession("k"), q.DeleteSession("k")))

	say("setting", nil, errors.Join(q.SaveSetting("a", "one"), q.SaveSetting("a", "two")))
	for _, name := range []string{"a", "b"} {
		v, err := q.Setting(name)
		say("setting", v, err)
	}
	w, err := q.SaveWorkspace(Workspace{Name: "w", Flows: []Design{{UUID: flow, Steps: []Step{{Name: "任務分析", Work: time.Second}}}}})
	say("workspace", id(w), err)
	fixed, err := q.SaveWorkspace(Workspace{ID: w, Name: "renamed"})
	say("workspace", id(fixed), err)
	spaces, err := q.Workspaces()
	for i := range spaces {
		spaces[i].ID = id(spaces[i].ID)
	}
	say("workspaces", spaces, err)
	space, err := q.Workspace(w)
	say("workspace", space.Name, err)

	for _, version := range []int{1, 2} {
		a, err := q.SaveApp(App{Name: "app", Version: version})
		say("app", []int{id(a.ID), a.Version}, err)
		f, err := q.SaveFlow(Flow{UUID: flow, Name: "f", Version: version, Steps: []Step{{Name: "s"}}})
		say("flow", []int{id(f.ID), f.Version}, err)
	}
	apps, err := q.Apps()
	say("apps", len(apps), err)
	flows, err := q.Flows()
	for i := range flows {
		flows[i].ID = id(flows[i].ID)
	}
	say("flows", flows, err)

	form := json.RawMessage(`[{"type":"h_title", "value":"ti\u0000tle"}]`)
	for i := range 5 {
		v, err := q.InsertTicket(flow, Ticket{Title: fmt.Sprintf("t%d", i%2), Level: "green", Form: form, Running: true, CreateTime: now})
		say("ticket", v, err)
	}
	more, err := q.InsertTicket(flow, Ticket{DataNo: 2, Title: "t1", Level: "red", History: true, StopTime: now})
	say("row", more, err)
	found, err := q.UpdateTicket(flow, Ticket{ID: 1, DataNo: 1, Title: "t0", Closed: true})
	say("update", found, err)
	found, err = q.UpdateTicket(flow, Ticket{ID: 99})
	say("update none", found, err)
	for _, n := range []int{1, 6, 99} {
		v, err := q.Ticket(flow, n)
		say("ticket", v, err)
	}
	for _, query := range []TicketQuery{
		{Flow: flow}, {Flow: flow, Open: true, Limit: 2}, {Flow: flow, Newest: true, Start: 1, Limit: 2}, {Flow: flow, DataNo: 2},
		{TitlePrefix: "t1"}, {TitlePrefix: "t_"}, {Start: 4}, {Start: 40},
	} {
		page, err := q.Tickets(query)
		say("tickets", page, err)
	}
	levels, err := q.OpenByLevel()
	say("levels", levels, err)
	titles, err := q.TicketsByTitle("t")
	say("titles", titles, err)
	n, err := q.DeleteTicket(flow, 2)
	say("delete", n, err)

	for _, item := range []QueueItem{
		{FlowUUID: flow, DataNo: 1, DataID: 1, Chart: "FITEM_1", Created: now}, {FlowUUID: flow, Chart: "FITEM_1", Form: form}, {FlowUUID: flow, Chart: "FITEM_1"},
	} {
		v, err := q.Enqueue(item)
		v.ID = id(v.ID)
		say("enqueue", v, err)
	}
	for _, queueID := range []string{flow + "1FITEM_1", flow + "NoneFITEM_1", "none"} { // of the second there are two
		say("dequeue", nil, q.Dequeue(queueID))
	}
	queue, err := q.Queue()
	for i := range queue {
		queue[i].ID = id(queue[i].ID)
	}
	say("queue", queue, err)

	s, err := q.SaveSchedule(Schedule{FlowUUID: flow, Cycle: "Daily", Every: 1, Exec: now, Form: form, Active: true})
	say("schedule", id(s.ID), err)
	s.LastRun = now.Add(24 * time.Hour)
	_, err = q.SaveSchedule(s)
	say("schedule", nil, err)
	marked, err := q.SaveSchedule(Schedule{FlowUUID: flow, Cycle: "Once", Every: 1, Exec: now, Mark: "m"})
	say("schedule", id(marked.ID), err)
	schedules, err := q.Schedules()
	for i := range schedules {
		v := &schedules[i]
		v.ID, v.Exec, v.LastRun = id(v.ID), v.Exec.UTC(), v.LastRun.UTC()
	}
	say("schedules", schedules, err)
	say("delete", nil, errors.Join(q.DeleteSchedule(marked.ID), q.DeleteSchedule(marked.ID)))
	gone, err := q.Schedule(marked.ID)
	say("gone", gone.ID, err)

	for range 3 {
		f, err := q.AddFile(File{FlowUUID: flow, DataNo: 1, Name: "n"})
		say("file", id(f.ID), err)
	}
	files, err := q.TicketFiles(flow, 1)
	say("files", len(files), err)
	say("files", nil, errors.Join(q.MarkFilesDeleted([]int{files[0].ID, 12345}), q.DeleteFile(files[1].ID)))
	files, err = q.TicketFiles(flow, 1)
	for i := range files {
		files[i].ID = id(files[i].ID)
	}
	say("files", files, err)
	say("temporary", nil, errors.Join(q.AddTempFile(TempFile{Mapping: "m", Name: "1"}), q.AddTempFile(TempFile{Mapping: "m", Name: "2"}), q.AddTempFile(TempFile{Mapping: "x"})))
	for _, read := range []func(string) ([]TempFile, error){q.TempFiles, q.DeleteTempFiles, q.TempFiles} {
		temp, err := read("m")
		// What was forgotten comes in no particular order.
		slices.SortFunc(temp, func(a, b TempFile) int { return cmp.Compare(a.Name, b.Name) })
		for i := range temp {
			temp[i].ID = id(temp[i].ID)
		}
		say("temporary", append([]TempFile{}, temp...), err)
	}

	say("parameters", nil, errors.Join(q.SaveParameter(Parameter{Name: "p", Value: "1"}), q.SaveParameter(Parameter{Name: "p", Value: "2"}),
		q.SaveParameter(Parameter{Name: "o"}), q.SaveParameter(Parameter{ID: 12345, Name: "nobody's"})))
	parameters, err := q.Parameters()
	say("parameters", len(parameters), errors.Join(err, q.DeleteParameters([]int{parameters[1].ID, 12345})))
	parameters, err = q.Parameters()
	for i := range parameters {
		parameters[i].ID = id(parameters[i].ID)
	}
	say("parameters", parameters, err)
	say("service", nil, q.SaveService(Service{ID: "s", Defaults: json.RawMessage(`[]`)}))
	for _, name := range []string{"s", "none"} {
		v, err := q.Service(name)
		say("service", v, err)
	}
	return said
}

// What a stand-in asks of a real PostgreSQL is answered as by a Server.
func TestRealAnswersAlike(t *testing.T) {
	_, url := startReal(t)
	p := NewPool(url)
	defer p.Close()
	_, server := start(t, "")
	want, got := story(t, server), story(t, Queries{p})
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Fatalf("line %d:\n%s\nwhere a Server says\n%s", i, strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""), strings.Join(want[min(i, len(want)):min(i+1, len(want))], ""))
		}
	}
	if len(want) < 60 {
		t.Errorf("only %d lines were compared", len(want))
	}
}

// A pool recovers from a restart of PostgreSQL, and a connection that a worker holds
// does not.
func TestRealRestart(t *testing.T) {
	s, url := startReal(t)
	p := NewPool(url)
	defer p.Close()
	c, err := Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pool, conn := Queries{p}, Queries{c}
	ping := func(when string, ok bool, q Queries) {
		t.Helper()
		if err := q.Ping(); ok && err != nil || !ok && !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", when, err)
		}
	}
	ping("before", true, pool)
	ping("before", true, conn)
	s.Stop(dbprocess.Fast)
	ping("while it is down", false, pool)
	ping("while it is down", false, conn)
	if _, err := Dial(url); err == nil || !strings.HasPrefix(err.Error(), `connection to server at "127.0.0.1", port `) {
		t.Errorf("dialling while it is down: %v", err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ping("after the restart", true, pool)
	ping("after the restart", false, conn)

	// Restarted between two calls: the pool does not even notice.
	s.Stop(dbprocess.Fast)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := pool.SaveSetting("a", "b"); err != nil {
		t.Errorf("the first call after a restart: %v", err)
	}
	if err := (Queries{p}).Call("Nothing", None{}, &None{}); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("a call that does not exist: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:5432": true, "postgres://omflow@127.0.0.1:5432/omflow": true, "postgresql://localhost/x?sslmode=disable": true,
		"127.0.0.1": false, "": false, "postgres://omflow:secret@127.0.0.1:x/omflow": false, "mysql://127.0.0.1:3306/x": false,
	} {
		err := CheckAddress(addr)
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", addr, err)
		}
	}
	if _, err := NewServer(Config{Listen: "postgres://127.0.0.1/x", Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a server that listens at the URL of a PostgreSQL")
	}
}
