package created

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const (
	flowA = "dc33fb340034418c8fbb3baf15525e86"
	flowB = "7f811b732ddf44d4995aeffdc56ad2ba"
)

// opened is what a book says of numbers of flowA.
func opened(t *testing.T, b *Book, numbers ...int64) []int64 {
	t.Helper()
	a, err := b.Settle(t.Context(), Settle{For: "Q", Flow: flowA, Numbers: numbers})
	if err != nil {
		t.Fatal(err)
	}
	return a.Open
}

func TestBookNumbers(t *testing.T) {
	b := NewBook()
	e := b.Begin(flowA)
	if e.After() != 0 || e.Flow() != flowA {
		t.Errorf("the first create comes after %d, of flow %s", e.After(), e.Flow())
	}
	e.End(5)
	e.End(6) // counts no more
	b.Begin(flowB).End(7)
	b.Begin(flowA).End(3)
	b.Begin(flowA).End(0)
	if got := opened(t, b, 3, 4, 5, 6, 7); !slices.Equal(got, []int64{4, 6, 7}) {
		t.Errorf("not given away are %v", got)
	}
	if e := b.Begin(flowA); e.After() != 5 {
		t.Errorf("the next create comes after %d", e.After())
	} else {
		e.End(0)
	}
	for _, r := range []struct {
		Reserve
		want bool
	}{
		{Reserve{"P", flowA, 4}, true}, {Reserve{"R", flowA, 4}, false}, {Reserve{"P", flowA, 4}, true},
		{Reserve{"P", flowA, 5}, false}, {Reserve{"P", flowB, 4}, true}, {Reserve{"Q", flowA, 8}, true},
	} {
		if got := b.Reserve(r.Reserve); got != r.want {
			t.Errorf("%+v: %t", r.Reserve, got)
		}
	}
	// What is reserved for the one who asks may be its own still.
	if got := opened(t, b, 4, 6, 8); !slices.Equal(got, []int64{6, 8}) {
		t.Errorf("not given away are %v", got)
	}
	b.Begin("path:mission").End(6)
	if _, err := b.Settle(t.Context(), Settle{For: "Q", Flow: flowA, Numbers: []int64{6}}); !errors.Is(err, errVague) {
		t.Errorf("a number of a flow that is not known: %v", err)
	}
}

// A book waits for creates that were on their way when it was asked, and for no others.
func TestSettle(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(b *Book) (end func())
		waits bool
	}{
		{"one of the flow", func(b *Book) func() { e := b.Begin(flowA); return func() { e.End(9) } }, true},
		{"one of a flow that is not known", func(b *Book) func() { e := b.Begin(""); return func() { e.End(0) } }, true},
		{"one that is lost then", func(b *Book) func() { return b.Begin(flowA).Lose }, true},
		{"another flow's", func(b *Book) func() { b.Begin(flowB); return func() {} }, false},
		{"a lost one", func(b *Book) func() { b.Begin(flowA).Lose(); return func() {} }, false},
		{"none", func(*Book) func() { return func() {} }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := NewBook()
			end := tt.do(b)
			done := make(chan []int64, 1)
			go func() {
				a, err := b.Settle(t.Context(), Settle{For: "Q", Flow: flowA, Numbers: []int64{9}})
				if err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
				done <- a.Open
			}()
			synctest.Wait()
			b.Begin(flowA) // came later
			synctest.Wait()
			select {
			case <-done:
				if tt.waits {
					t.Errorf("%s is not waited for", tt.name)
				}
				return
			default:
				if !tt.waits {
					t.Errorf("%s is waited for", tt.name)
				}
			}
			end()
			if open := <-done; (len(open) == 0) != (tt.name == "one of the flow") {
				t.Errorf("%s: not given away are %v", tt.name, open)
			}
		})
	}
}

func TestSettleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBook()
		b.Begin(flowA)
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Settle(ctx, Settle{For: "Q", Flow: flowA}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if a, err := b.Settle(t.Context(), Settle{For: "Q", Flow: flowB}); err != nil || a.Age != time.Minute+time.Second {
			t.Errorf("a book of %s: %v", a.Age, err)
		}
	})
}

// Numbers are remembered for some minutes, and not for ever.
func TestBookForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBook()
		give := func(no int64) { b.Begin(flowA).End(no) }
		give(1)
		time.Sleep(keepTime - time.Second)
		give(2)
		time.Sleep(2 * time.Second)
		give(3)
		if got := opened(t, b, 1, 2, 3); len(got) != 0 {
			t.Errorf("after five minutes %v are forgotten", got)
		}
		time.Sleep(keepTime + time.Second)
		give(4)
		if got := opened(t, b, 1, 2, 3, 4); !slices.Equal(got, []int64{1, 2}) {
			t.Errorf("after ten minutes %v are forgotten", got)
		}
		for no := range int64(3 * maxKept) {
			give(10 + no)
		}
		if n := len(b.given) + len(b.before); n > 2*maxKept || n < maxKept {
			t.Errorf("%d numbers are remembered", n)
		}
	})
}

// A number that was given away long ago is no bound: what came after it may be forgotten.
func TestAfterIsYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBook()
		b.Begin(flowA).End(5)
		time.Sleep(afterTime - time.Second)
		if e := b.Begin(flowA); e.After() != 5 {
			t.Errorf("after %d", e.After())
		}
		time.Sleep(2 * time.Second)
		if e := b.Begin(flowA); e.After() != 0 {
			t.Errorf("after %d, which was long ago", e.After())
		}
	})
}

// An answer with success that was not understood may have had any number of its flow.
func TestVague(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, flow := range []string{flowA, ""} {
			b := NewBook()
			e := b.Begin(flow)
			e.Vague()
			e.Vague()
			b.Begin(flowB).End(3)
			if _, err := b.Settle(t.Context(), Settle{For: "Q", Flow: flowA}); !errors.Is(err, errAnswered) {
				t.Errorf("of flow %q: %v", flow, err)
			}
			if _, err := b.Settle(t.Context(), Settle{For: "Q", Flow: flowB}); (err != nil) != (flow == "") {
				t.Errorf("of flow %q, asked for another: %v", flow, err)
			}
			time.Sleep(2*keepTime + time.Second)
			if _, err := b.Settle(t.Context(), Settle{For: "Q", Flow: flowA}); err != nil {
				t.Errorf("much later: %v", err)
			}
		}
		b := NewBook()
		e := b.Begin(flowA)
		e.End(7)
		e.Vague() // it has ended
		if got := opened(t, b, 7); len(got) != 0 {
			t.Errorf("not given away are %v", got)
		}
		for i := range maxFlows + 10 {
			b.Begin(fmt.Sprintf("%032x", i)).Vague()
		}
		if n := len(b.vague); n > maxFlows+1 {
			t.Errorf("%d flows are remembered", n)
		}
	})
}
