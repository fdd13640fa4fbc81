package balance

import (
	"testing"
	"time"
)

// A server is being changed while it works on a request that changes it, and for a moment
// after, whichever booster has sent it.
func TestChanging(t *testing.T) {
	f := newFixture(t, Config{}, servers(2, 4)...)
	other := newFixture(t, Config{}, servers(2, 4)...)
	f.b.SetLead(f.now, "s1")
	ask := Request{Lane: Control, ToLead: true}
	plain := f.get(ask)
	ask.Changes = true
	changing := func(want bool, when string) {
		t.Helper()
		other.b.SetElsewhere(f.now, true, f.b.Loads(f.now))
		for name, b := range map[string]*Balancer{"here": f.b, "at the other booster": other.b} {
			if got := b.Changing(f.now, "s1"); got != want {
				t.Errorf("%s: changing %s: %t", when, name, got)
			}
			if b.Changing(f.now, "s2") || b.Changing(f.now, "nobody") {
				t.Errorf("%s: another one is changing %s", when, name)
			}
		}
	}
	changing(false, "a request that only reads")
	f.b.Release(f.now, plain, Outcome{})
	changing(false, "after it")
	first, second := f.get(ask), f.get(ask)
	changing(true, "two changes")
	f.now = f.now.Add(time.Hour)
	f.b.Release(f.now, first, Outcome{})
	f.now = f.now.Add(time.Minute)
	changing(true, "one of them is left")
	f.b.Release(f.now, second, Outcome{})
	f.now = f.now.Add(changesFor - 1)
	changing(true, "just before the end of the moment")
	f.now = f.now.Add(1)
	changing(false, "at its end")

	last := f.get(ask)
	changing(true, "another change")
	f.b.Update(f.now, servers(2, 4)[1:])
	if !f.b.Changing(f.now, "s1") {
		t.Error("a server that has left the table is not changing, though it works on a change")
	}
	f.b.Release(f.now, last, Outcome{})
	if f.now = f.now.Add(elsewhereFor); other.b.Changing(f.now, "s1") {
		t.Error("changing, by a booster that has told nothing for a second")
	}
}
