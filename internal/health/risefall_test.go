package health

import "testing"

func TestRiseFall(t *testing.T) {
	for _, tt := range []struct {
		name       string
		rise, fall int
		results    string // + is a success, - a failure
		states     string // the state after each: ? u d
	}{
		{"first success is enough", 3, 3, "+", "u"},
		{"first failures are not", 2, 3, "--", "??"},
		{"unknown falls", 2, 3, "---", "??d"},
		{"unknown, failures, one success", 2, 3, "--+", "??u"},
		{"falls after three in a row", 2, 3, "+---", "uuud"},
		{"a success in between starts over", 2, 3, "+--+--+", "uuuuuuu"},
		{"rises after two in a row", 2, 3, "+---++", "uuuddu"},
		{"a failure in between starts over", 2, 3, "---+-+-++", "??dddddd" + "u"},
		{"falls again", 2, 2, "+--++--", "uudduud"},
		{"one and one", 1, 1, "+-+-", "udud"},
		{"zero counts as one", 0, 0, "+-+-", "udud"},
		{"stays up", 2, 3, "++++", "uuuu"},
		{"stays down", 2, 1, "----", "dddd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := RiseFall{Rise: tt.rise, Fall: tt.fall}
			got := ""
			for _, result := range tt.results {
				before := r.State()
				changed := r.Observe(result == '+')
				if changed != (r.State() != before) {
					t.Errorf("Observe said changed=%v from %v to %v", changed, before, r.State())
				}
				got += map[State]string{Unknown: "?", Up: "u", Down: "d"}[r.State()]
			}
			if got != tt.states {
				t.Errorf("after %s: states %s, want %s", tt.results, got, tt.states)
			}
		})
	}
}

func TestStateString(t *testing.T) {
	for state, want := range map[State]string{Unknown: "unknown", Up: "up", Down: "down", 77: "unknown"} {
		if got := state.String(); got != want {
			t.Errorf("State(%d) = %q, want %q", state, got, want)
		}
	}
}
