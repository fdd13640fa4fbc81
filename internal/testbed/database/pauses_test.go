package database

import (
	"fmt"
	"slices"
	"testing"
	"time"

	booster "github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/omflow/flows"
)

// words are what the booster looks for in a flow's design.
var words = []string{flows.WordSleep, flows.WordOutflow, flows.WordInflow}

func TestFlowsAndDesigns(t *testing.T) {
	q, db := startBoth(t)
	const nap, form, gone = "dc33fb340034418c8fbb3baf15525e86", "ac33fb340034418c8fbb3baf15525e86", "bc33fb340034418c8fbb3baf15525e86"
	var ids []int64
	for _, f := range []Flow{
		{UUID: nap, App: "客服", Name: "午睡", APIPath: "nap", Steps: []Step{{Name: `"sleep"`, Work: time.Second}, {Name: "暫停", Pause: time.Second}, {Name: "結束"}}},
		{UUID: form, App: "客服", Name: "sleep", Steps: []Step{{Name: "結束"}}},
		{UUID: gone, Undeployed: true},
	} {
		saved, err := q.SaveFlow(f)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, int64(saved.ID))
	}
	list, more, err := db.Flows(t.Context())
	want := []booster.Flow{
		{ID: ids[0], UUID: "dc33fb34-0034-418c-8fbb-3baf15525e86", App: "客服", Name: "午睡", APIPath: "nap"},
		{ID: ids[1], UUID: "ac33fb34-0034-418c-8fbb-3baf15525e86", App: "客服", Name: "sleep"},
	}
	if err != nil || more || !slices.Equal(list, want) {
		t.Errorf("flows %+v, %v, %v", list, more, err)
	}
	designs, err := db.Designs(t.Context(), ids[:2], words, flows.MaxDesign)
	if err != nil || len(designs) != 2 {
		t.Fatalf("designs %+v, %v", designs, err)
	}
	slices.SortFunc(designs, func(a, b booster.FlowDesign) int { return int(a.ID - b.ID) })
	if d, err := flows.ReadDesign(designs[0].Text); err != nil || !d.Sleeps || !designs[0].Has[0] || designs[0].Has[1] {
		t.Errorf("design %+v is read as %+v, %v", designs[0], d, err)
	}
	if designs[1].Text != "" || designs[1].Has[0] {
		t.Errorf("design %+v, want none to read", designs[1])
	}
}

func TestPauses(t *testing.T) {
	q, db := startBoth(t)
	const flow = "dc33fb340034418c8fbb3baf15525e86"
	begun := time.Now().Truncate(time.Second)
	rest := func(id int, due time.Duration, active bool) Schedule {
		t.Helper()
		s, err := q.SaveSchedule(Schedule{FlowUUID: flow, Cycle: "Once", Every: 1, Exec: begun.Add(due), Active: active,
			Pause: &Pause{DataNo: id + 100, DataID: id, From: "FITEM_1", Chart: "FITEM_2", User: "admin"}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first, second, over := rest(1, -time.Minute, true), rest(2, -time.Minute, true), rest(3, -time.Minute, false)
	later := rest(4, time.Hour, true)
	if id, err := db.LastSchedule(t.Context(), begun, time.UTC); err != nil || id != 0 {
		t.Errorf("the newest schedule before all: %d, %v", id, err)
	}
	if id, err := db.LastSchedule(t.Context(), begun.Add(time.Hour), time.UTC); err != nil || id != int64(later.ID) {
		t.Errorf("the newest schedule: %d, %v", id, err)
	}
	pauses, err := db.OverduePauses(t.Context(), int64(first.ID), begun, time.UTC)
	if err != nil || len(pauses) != 1 || pauses[0].ID != int64(second.ID) || pauses[0].Flow != flow || pauses[0].DataNo != 102 || pauses[0].DataID != 2 {
		t.Errorf("overdue: %+v, %v", pauses, err)
	}

	for _, item := range []QueueItem{
		{FlowUUID: flow, DataID: 1, Chart: "FITEM_2"}, // fired
		{FlowUUID: flow, DataID: 2, Chart: "FITEM_1"}, // the step before
		{FlowUUID: flow, DataID: 3, Chart: "FITEM_1"},
	} {
		if _, err := q.Enqueue(item); err != nil {
			t.Fatal(err)
		}
	}
	settled, err := db.SettlePauses(t.Context())
	if err != nil || len(settled.Fired) != 1 || settled.Fired[0].ID != int64(first.ID) || len(settled.Passed) != 1 || settled.Passed[0].ID != int64(second.ID) {
		t.Errorf("settled %+v, %v", settled, err)
	}
	var state []string
	for _, s := range []Schedule{first, second, over, later} {
		now, err := q.Schedule(s.ID)
		if err != nil {
			t.Fatal(err)
		}
		state = append(state, fmt.Sprint(now.Active))
	}
	queue, err := q.Queue()
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range queue {
		state = append(state, fmt.Sprint(item.DataID, item.Chart))
	}
	if got := fmt.Sprint(state); got != "[false true false true 1FITEM_2 3FITEM_1]" {
		t.Errorf("then there is %s", got)
	}
}
