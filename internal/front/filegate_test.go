package front

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/balance"
)

func byPath(name string) flowName { return flowName{flowByPath, name} }
func byUUID(name string) flowName { return flowName{flowByUUID, name} }

// may joins and reports whether the turn begins at once.
func (g *FileGate) may(t testing.TB, flow flowName) (*fileTurn, bool) {
	t.Helper()
	turn, err := g.join(flow, 100)
	if err != nil {
		t.Fatal(err)
	}
	return turn, turn.begun()
}

// empty fails the test if anything is left in the gate.
func (g *FileGate) empty(t testing.TB) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.taken) != 0 || g.waiting.Len() != 0 || len(g.claims.flows) != 0 {
		t.Errorf("left in the gate: %d taken, %d waiting, %v", len(g.taken), g.waiting.Len(), g.claims)
	}
}

func (t *fileTurn) begun() bool {
	select {
	case <-t.ready:
		return true
	default:
		return false
	}
}

func TestWhichFlowsAreSurelyDifferent(t *testing.T) {
	for _, tt := range []struct {
		first, second flowName
		beside        bool
	}{
		{byPath("a"), byPath("b"), true},
		{byPath("a"), byPath("a"), false},
		{byUUID("1"), byUUID("2"), true},
		{byUUID("1"), byUUID("1"), false},
		{byPath("a"), byUUID("1"), false},
		{byUUID("1"), byPath("a"), false},
		{flowName{}, byPath("a"), false},
		{flowName{}, byUUID("1"), false},
		{byPath("a"), flowName{}, false},
		{flowName{}, flowName{}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := NewFileGate()
			first, _ := g.may(t, tt.first)
			if second, beside := g.may(t, tt.second); beside != tt.beside {
				t.Errorf("%v beside %v: %v", tt.second, tt.first, beside)
			} else if !beside {
				first.leave(false)
				if !second.begun() {
					t.Errorf("%v after %v: kept out", tt.second, tt.first)
				}
			}
		})
	}
}

func TestFilePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewFileGate()
		first, _ := g.may(t, byPath("a"))
		second, _ := g.may(t, byPath("a"))
		third, _ := g.may(t, byPath("a"))
		time.Sleep(time.Minute) // the server works
		if second.begun() {
			t.Fatal("the second was let in beside the first")
		}
		first.leave(true)
		first.leave(true)
		time.Sleep(filePause - time.Millisecond)
		if second.begun() {
			t.Error("the second was let in less than a second after the first")
		}
		time.Sleep(2 * time.Millisecond)
		if !second.begun() || third.begun() {
			t.Errorf("after the pause the second is in: %v, the third: %v", second.begun(), third.begun())
		}
		second.leave(false) // it was not sent
		if !third.begun() {
			t.Error("the third had to wait for one that was never sent")
		}
		third.leave(true)
		time.Sleep(time.Minute)
		g.empty(t)
	})
}

// A clock that was set back shows the same second once more.
func TestFileSecondMustDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewFileGate()
		first, _ := g.may(t, byPath("a"))
		second, _ := g.may(t, byPath("a"))
		first.over = true
		time.Sleep(300 * time.Millisecond)
		g.rested(first, time.Now()) // as if the clock showed the time of its end again
		if second.begun() {
			t.Error("let in within the same second")
		}
		time.Sleep(700 * time.Millisecond)
		synctest.Wait()
		if !second.begun() {
			t.Error("kept out in the next second")
		}
		second.leave(false)
	})
}

func TestFileOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewFileGate()
		a, _ := g.may(t, byPath("a"))
		a2, _ := g.may(t, byPath("a"))
		any, _ := g.may(t, flowName{})
		c, beside := g.may(t, byPath("c"))
		if beside {
			t.Error("one came before another that may be of its flow")
		}
		gone, _ := g.may(t, byPath("d"))
		gone.leave(false)
		a.leave(false)
		if !a2.begun() || any.begun() || c.begun() {
			t.Errorf("a2 %v, any %v, c %v", a2.begun(), any.begun(), c.begun())
		}
		any.leave(false) // its client has gone
		if !c.begun() {
			t.Error("c still waits for one that has gone")
		}
		if _, err := g.join(byPath("c"), 1); err != nil {
			t.Error(err)
		}
		if _, err := g.join(byPath("c"), 1); !errors.Is(err, balance.ErrQueueFull) {
			t.Errorf("a second one waits where one may: %v", err)
		}
		if _, beside := g.may(t, byPath("e")); !beside {
			t.Error("kept out by flows that it has nothing to do with")
		}
	})
}

// In a rush no two of a flow are ever in at once, and all get in.
func TestFileRush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewFileGate()
		flows := []flowName{byPath("a"), byPath("b"), byUUID("1"), byUUID("2"), {}}
		var in [5]atomic.Int64
		var served atomic.Int64
		var clients sync.WaitGroup
		for range 60 {
			clients.Go(func() {
				i := rand.IntN(len(flows))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if rand.IntN(3) == 0 {
					time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Millisecond, cancel)
				}
				turn, err := g.join(flows[i], 100)
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case <-turn.ready:
				case <-ctx.Done():
					turn.leave(false)
					return
				}
				in[i].Add(1)
				names, uuids, any := in[0].Load()+in[1].Load(), in[2].Load()+in[3].Load(), in[4].Load()
				if in[i].Load() > 1 || names > 0 && uuids > 0 || any > 0 && any+names+uuids > 1 {
					t.Errorf("%v is in with others: %d %d %d", flows[i], names, uuids, any)
				}
				time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
				in[i].Add(-1)
				served.Add(1)
				turn.leave(true)
			})
		}
		clients.Wait()
		time.Sleep(time.Minute)
		if served.Load() < 20 {
			t.Errorf("%d of 60 got in", served.Load())
		}
		g.empty(t)
	})
}
