package flows

import "testing"

// A ticket may wait for one of another flow by a step of its own flow or of a subflow.
func TestCalls(t *testing.T) {
	sub := func(name, parent string, d Design) Source {
		s := source(name, d)
		s.Parent, s.APIPath = uuid(parent), ""
		return s
	}
	d := Build([]Source{
		source("A", calls("B")), source("B", Design{}), source("C", Design{}), sub("S", "C", calls("B")),
		source("D", Design{MayCall: true}), sub("T", "Z", calls("B")), source("E", calls("unknown")),
	}, false)
	for name, want := range map[string]bool{"A": true, "B": false, "C": true, "D": true, "E": true} {
		if f, ok := d.ByName("app", name); !ok || f.Calls != want {
			t.Errorf("%s: %+v, %v; calls %v", name, f, ok, want)
		}
	}
	without := Build([]Source{source("A", Design{})}, false)
	if with := Build([]Source{source("A", calls("B"))}, false); with.Version() == without.Version() {
		t.Error("a call makes no other version")
	}
}
