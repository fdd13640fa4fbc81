package front

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
)

// A flow's name means the same at another gate, and what is no name may be any flow.
func TestFlowBetweenGates(t *testing.T) {
	for _, flow := range []flowName{{}, byPath("mission"), byPath("任務"), byUUID("0123456789abcdef"), byPath("uuid:1")} {
		if got := flowNamed(flow.String()); got != flow {
			t.Errorf("%v became %v by way of %q", flow, got, flow.String())
		}
	}
	for _, text := range []string{"", "mission", "path:", "path:a/b", "uuid:" + strings.Repeat("x", flowLength+1), "PATH:a", "path:a\x00"} {
		if got := flowNamed(text); got != (flowName{}) {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func FuzzFlowBetweenGates(f *testing.F) {
	f.Add("path:mission")
	f.Add("uuid:0123456789abcdef")
	f.Fuzz(func(t *testing.T, text string) {
		flow := flowNamed(text)
		if flow != (flowName{}) && flow.String() != text {
			t.Errorf("%q became %v", text, flow)
		}
	})
}

// Creates of another process and of this one are in one line.
func TestJoinedFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewFileGate()
		own, _ := g.may(t, byPath("a"))
		theirs, err := g.Join("path:a", 100)
		if err != nil {
			t.Fatal(err)
		}
		beside, err := g.Join("path:b", 100)
		if err != nil {
			t.Fatal(err)
		}
		if theirs.turn.begun() || !beside.turn.begun() {
			t.Errorf("of the same flow it is in: %t, of another: %t", theirs.turn.begun(), beside.turn.begun())
		}
		if _, err := g.Join("path:a", 1); !errors.Is(err, balance.ErrQueueFull) {
			t.Errorf("one too many: %v", err)
		}
		own.leave(true)
		time.Sleep(filePause + time.Millisecond)
		select {
		case <-theirs.Ready():
		default:
			t.Error("kept out after the pause")
		}
		theirs.Leave(true)
		theirs.Leave(true)
		beside.Leave(false)
		next, _ := g.may(t, byPath("a"))
		if next.begun() {
			t.Error("no pause after another process's create")
		}
		time.Sleep(filePause + time.Millisecond)
		if !next.begun() {
			t.Error("kept out after the pause")
		}
		next.leave(false)
		g.empty(t)
	})
}

func TestGateRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewFileGate()
		in, _ := g.may(t, byPath("a"))
		g.Rest(3 * time.Second)
		next, _ := g.may(t, byUUID("1"))
		in.leave(false)
		time.Sleep(3*time.Second - time.Millisecond)
		if next.begun() {
			t.Error("let in while the gate rests")
		}
		time.Sleep(2 * time.Millisecond)
		if !next.begun() {
			t.Error("kept out by a gate that has rested")
		}
		next.leave(false)
		g.empty(t)
	})
}

// elsewhere is another process's gate, as TakeTurn sees it.
type elsewhere struct {
	come chan error // what is answered

	mu    sync.Mutex
	asked []string
	left  []bool
}

func (e *elsewhere) take(ctx context.Context, flow string) (func(bool), error) {
	e.mu.Lock()
	e.asked = append(e.asked, flow)
	e.mu.Unlock()
	select {
	case err := <-e.come:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return func(sent bool) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.left = append(e.left, sent)
	}, nil
}

// A create has its turn at both gates before it is sent, and gives it back at both.
func TestTurnAtBothGates(t *testing.T) {
	up := serveBusy(t)
	other := &elsewhere{come: make(chan error, 1)}
	s := open(t, []string{up.addr}, func(set *setup) {
		set.front.TakeTurn = other.take
	})
	_, done := s.start(s.withFile(createURL))
	s.eventually("the other gate is asked", func() bool { other.mu.Lock(); defer other.mu.Unlock(); return len(other.asked) == 1 })
	if n := s.inFlight(); n != 0 {
		t.Errorf("%d are at the server before their turn has come at the other gate", n)
	}
	other.come <- nil
	within(t, up.got, "it arrives")
	up.release <- struct{}{}
	if err := within(t, done, "it is answered"); err != nil {
		t.Error(err)
	}
	s.eventually("its turn is given back", func() bool { other.mu.Lock(); defer other.mu.Unlock(); return len(other.left) == 1 })
	if other.asked[0] != "path:mission" || !other.left[0] {
		t.Errorf("asked for %q, left %v", other.asked, other.left)
	}
	if trace := s.trace(1); trace.Tries != 1 {
		t.Errorf("trace %+v", trace)
	}

	// Where its turn does not come it is refused, and was sent nowhere.
	other.come <- balance.ErrQueueFull
	s.send(s.withFile("/rest/flowmanage/api/omdata/edit/full/")).want(t, 503, "")
	if trace := s.trace(2); trace.Refusal != omflow.QueueFull.String() {
		t.Errorf("trace %+v", trace)
	}
	// What brings no files asks nobody.
	answered := make(chan struct{})
	go func() { defer close(answered); s.post(createURL, createBody).want(t, 200, "") }()
	within(t, up.got, "it arrives")
	up.release <- struct{}{}
	<-answered
	if other.mu.Lock(); len(other.asked) != 2 {
		t.Errorf("asked for %v", other.asked)
	}
	other.mu.Unlock()
	s.idle()

	// Nor is it sent where its turn comes too late.
	late := open(t, []string{up.addr}, func(set *setup) {
		set.front.TakeTurn = (&elsewhere{come: make(chan error)}).take
		set.front.QueueWait = 100 * time.Millisecond
	})
	late.send(late.withFile(createURL)).want(t, 503, "")
	if trace := late.trace(1); trace.Refusal != omflow.WaitedTooLong.String() || trace.Tries != 0 {
		t.Errorf("trace %+v", trace)
	}
	late.idle()
}
