package database

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	booster "github.com/omflow/booster/internal/database"
)

const strandedFlowUUID = "dc33fb340034418c8fbb3baf15525e86"

// testStrandedTickets has the booster find, and bring back, tickets of a stand-in.
func testStrandedTickets(t *testing.T, q Queries, db *booster.DB) {
	t.Helper()
	const flow = strandedFlowUUID
	f := Flow{UUID: flow, Name: "任務單", Version: 3, Active: true, Steps: []Step{
		{Name: "work", Work: time.Second}, {Name: "rest", Pause: time.Second}, {Name: "form"},
	}}
	if _, err := q.SaveFlow(f); err != nil {
		t.Fatal(err)
	}
	if err := q.CreateTable(flow); err != nil {
		t.Fatal(err)
	}
	if _, err := q.SaveFlow(Flow{UUID: "00000000000000000000000000000001", Name: "without tickets", Active: true}); err != nil {
		t.Fatal(err)
	}
	add := func(r Ticket) Ticket {
		t.Helper()
		r.CreateTime, r.UpdateTime, r.UpdateUser = time.Now(), time.Now(), "王's"
		made, err := q.InsertTicket(flow, r)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	opened := add(Ticket{Running: true})
	move := func(p Progress) Ticket {
		t.Helper()
		made := add(Ticket{Running: true})
		if made.Progress = p; p.DataID == 0 {
			made.Progress.DataID = made.ID
		}
		if _, err := q.UpdateTicket(flow, made); err != nil {
			t.Fatal(err)
		}
		return made
	}
	between := move(Progress{From: "FITEM_1", To: "FITEM_2"})
	pushed := move(Progress{From: "FITEM_3", To: "FITEM_4", DataID: 99})
	queued := add(Ticket{Running: true})
	if _, err := q.Enqueue(QueueItem{FlowUUID: flow, DataNo: queued.DataNo, DataID: queued.ID, Chart: "FITEM_1"}); err != nil {
		t.Fatal(err)
	}
	rests := move(Progress{From: "FITEM_2", To: "FITEM_3"})
	if _, err := q.SaveSchedule(Schedule{FlowUUID: flow, Cycle: "Once", Exec: time.Now(), Active: true,
		Pause: &Pause{DataNo: rests.DataNo, DataID: rests.ID, From: "FITEM_2", Chart: "FITEM_3"}}); err != nil {
		t.Fatal(err)
	}
	add(Ticket{}) // at its form
	add(Ticket{Running: true, History: true})
	add(Ticket{Running: true, Closed: true})
	// Its newest row is history: it was about to get that of its form, which it can't here,
	// since the stand-in's flows have no ends.
	past := move(Progress{From: "FITEM_2", To: "FITEM_4"})
	past.Running, past.History = false, true
	followed := move(Progress{From: "FITEM_2", To: "FITEM_4"})
	followed.Running, followed.History = false, true
	failed := move(Progress{From: "FITEM_2", To: "FITEM_4"})
	failed.Running, failed.History, failed.Error = false, true, "it failed"
	for _, row := range []Ticket{past, followed, failed} {
		if _, err := q.UpdateTicket(flow, row); err != nil {
			t.Fatal(err)
		}
	}
	add(Ticket{DataNo: followed.DataNo})

	found, err := db.Stranded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, s := range found {
		if s.DataID == int64(past.ID) && s.Why != "" {
			ids = append(ids, s.DataID)
			continue
		}
		if ids = append(ids, s.DataID); s.Why != "" || s.Name != f.Name {
			t.Errorf("found %+v", s)
		}
		for _, want := range []bool{true, false} {
			if done, err := db.Restore(t.Context(), s); err != nil || done != want {
				t.Errorf("ticket %d restored: %v, %v; want %v", s.DataNo, done, err, want)
			}
		}
	}
	slices.Sort(ids)
	if want := []int64{int64(opened.ID), int64(between.ID), int64(pushed.ID), int64(past.ID)}; !slices.Equal(ids, want) {
		t.Errorf("found %v, want %v", ids, want)
	}
	journal, err := q.Queue()
	if err != nil {
		t.Fatal(err)
	}
	items := map[int]QueueItem{}
	for _, item := range journal {
		item.ID, item.Created = 0, time.Time{}
		items[item.DataID] = item
	}
	for _, want := range []QueueItem{
		{FlowUUID: flow, DataNo: opened.DataNo, DataID: opened.ID, Chart: "FITEM_1", User: "王's"},
		{FlowUUID: flow, DataNo: between.DataNo, DataID: between.ID, Chart: "FITEM_2", Push: true, User: "王's"},
		{FlowUUID: flow, DataNo: pushed.DataNo, DataID: pushed.ID, Chart: "FITEM_4", Push: true, User: "王's"},
	} {
		if got := items[want.DataID]; got.QueueID() != want.QueueID() || got.Chart != want.Chart || got.Push != want.Push || got.User != want.User || got.DataNo != want.DataNo {
			t.Errorf("the journal has %+v, want %+v", got, want)
		}
	}
	if again, err := db.Stranded(t.Context()); err != nil || len(again) != 1 || again[0].DataID != int64(past.ID) || len(journal) != 4 {
		t.Errorf("found again %+v, %v; journal %+v", again, err, journal)
	}
}

func TestStrandedTickets(t *testing.T) {
	q, db := startBoth(t)
	testStrandedTickets(t, q, db)
}

func TestRealStrandedTickets(t *testing.T) {
	_, url := startReal(t)
	p := NewPool(url)
	t.Cleanup(p.Close)
	target, err := booster.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	db, err := booster.Open(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	testStrandedTickets(t, Queries{p}, db)
}

func TestStrandedStatementsAreRefused(t *testing.T) {
	s, err := NewServer(Config{Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	// A proof that lacks a part is not one.
	for _, statement := range []string{
		`SELECT t.id, CASE WHEN length(t.data_param) <= 200000 THEN t.data_param END, t.init_data_id FROM omformmodel_omdata_` + strandedFlowUUID + ` t WHERE t.id IN (1)`,
		`SELECT t.id, CASE WHEN length(t.data_param) <= 200000 THEN t.data_param END, t.init_data_id FROM omformmodel_omdata_` + strandedFlowUUID +
			` t WHERE t.id IN (1) AND t.running = true AND t.history = false AND t.closed = false`,
	} {
		if _, err := s.execute(statement); err == nil {
			t.Errorf("taken: %s", statement)
		}
	}
}
