package balance

import (
	"testing"
	"time"
)

func TestCapacityIsNeverExceeded(t *testing.T) {
	f := newFixture(t, Config{}, servers(3, 8)...)
	for range 24 {
		f.get(Request{Lane: Session})
	}
	w := f.wait(Request{Lane: Session})
	if _, ok := f.given(w); ok {
		t.Fatal("a 25th request was let in")
	}
	for _, s := range f.b.Servers() {
		if s.InFlight != 8 {
			t.Errorf("%s has %d in flight, want 8", s.Name, s.InFlight)
		}
	}
}

func TestFirstComeFirstServedWithinALane(t *testing.T) {
	f := newFixture(t, Config{}, servers(1, 1)...)
	g := f.get(Request{Lane: Flow})
	var ws []*Waiter
	for range 5 {
		ws = append(ws, f.wait(Request{Lane: Flow}))
	}
	f.b.Cancel(f.now, ws[2])
	for i, w := range ws {
		f.b.Release(f.now, g, Outcome{})
		if i == 2 {
			continue
		}
		var ok bool
		if g, ok = f.given(w); !ok {
			t.Fatalf("request %d was not next", i)
		}
	}
	if n := f.b.Queued(Flow); n != 0 {
		t.Errorf("%d requests are said to wait, want 0", n)
	}
}

func TestSessionsGoFirstAndFlowsDontStarve(t *testing.T) {
	f := newFixture(t, Config{}, servers(1, 1)...)
	g := f.get(Request{Lane: Session})
	var flow, session []*Waiter
	for range 40 {
		flow = append(flow, f.wait(Request{Lane: Flow}))
	}
	for range 40 {
		session = append(session, f.wait(Request{Lane: Session}))
	}
	var order string
	for range 40 {
		f.b.Release(f.now, g, Outcome{})
		var ok bool
		if g, ok = f.given(session[0]); ok {
			order, session = order+"s", session[1:]
		} else if g, ok = f.given(flow[0]); ok {
			order, flow = order+"f", flow[1:]
		} else {
			t.Fatal("a free slot was given to nobody")
		}
	}
	want := "ssssssssfssssssssfssssssssfssssssssfssss"
	if order != want {
		t.Errorf("slots went %s\n     want %s", order, want)
	}
}

// A flow request that waits for one server alone must not hold up the sessions of
// that server behind it.
func TestBoundFlowsDontHoldUpSessions(t *testing.T) {
	f := newFixture(t, Config{}, servers(2, 8)...)
	on := IDOf("s1")
	click := f.get(Request{Lane: Session, Sticky: on})
	for range 7 {
		f.get(Request{Lane: Flow, Sticky: on})
	}
	f.wait(Request{Lane: Flow, Sticky: on})
	session := f.wait(Request{Lane: Session, Sticky: on})
	f.b.Release(f.now, click, Outcome{})
	if _, ok := f.given(session); !ok {
		t.Error("the free place did not go to the session")
	}
	took := 20 * time.Millisecond
	for range 200 { // the share of flows shrinks under slow clicks
		g, w, _ := f.b.Acquire(f.now, &Request{Lane: Session, Sticky: IDOf("s2"), Key: 7})
		if w != nil {
			t.Fatal("no place on the other server")
		}
		f.b.Release(f.now, g, Outcome{Served: took, Total: took})
		took = time.Second
	}
	f.get(Request{Lane: Flow, Sticky: IDOf("s2")})
	f.wait(Request{Lane: Flow, Sticky: IDOf("s2")})
	if g := f.get(Request{Lane: Session, Sticky: IDOf("s2")}); g.Server.Name() != "s2" {
		t.Errorf("a session went to %s", g.Server.Name())
	}
}

func TestQueueIsBounded(t *testing.T) {
	f := newFixture(t, Config{QueueLength: 2}, servers(1, 1)...)
	f.get(Request{Lane: Flow})
	f.wait(Request{Lane: Flow})
	f.wait(Request{Lane: Flow})
	if _, _, err := f.b.Acquire(f.now, &Request{Lane: Flow}); err != ErrQueueFull {
		t.Errorf("a third request got %v, want ErrQueueFull", err)
	}
	f.wait(Request{Lane: Session}) // another lane has its own
}

func TestNobodyUp(t *testing.T) {
	f := newFixture(t, Config{}, servers(1, 1)...)
	f.b.SetHealth(f.now, "s1", Down, "")
	if f.b.Ready() {
		t.Error("ready without a server")
	}
	w := f.wait(Request{Lane: Session})
	f.b.SetHealth(f.now, "s1", Up, "")
	if _, ok := f.given(w); !ok {
		t.Error("a request that waited for any server did not get the first")
	}
}
