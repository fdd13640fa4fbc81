package rollout

import (
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	begin := time.Unix(1e9, 0)
	at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	row := func(id int64) Row { return Row{ID: id, Key: "k"} }
	for _, c := range []struct {
		name  string
		seen  []float64 // of rows 1, 2, …, which stay
		now   float64
		born  float64 // -1: unknown
		quiet time.Duration
		more  bool
		want  Verdict
	}{
		{"empty", nil, 100, -1, QuietTime, false, Verdict{}},
		{"new", []float64{0}, 4.9, -1, QuietTime, false, Verdict{Rows: 1, Young: 1}},
		{"older", []float64{0}, 5, -1, QuietTime, false, Verdict{Rows: 1, Busy: 1}},
		{"just not quiet", []float64{0}, 29.9, -1, QuietTime, false, Verdict{Rows: 1, Busy: 1}},
		{"quiet", []float64{0}, 30, -1, QuietTime, false, Verdict{Rows: 1, Dead: 1}},
		{"quiet, when nobody has died", []float64{0}, 599, -1, StuckTime, false, Verdict{Rows: 1, Busy: 1}},
		{"stuck", []float64{0}, 600, -1, StuckTime, false, Verdict{Rows: 1, Dead: 1}},
		{"older than all processes", []float64{0}, 4, 0.1, StuckTime, false, Verdict{Rows: 1, Dead: 1}},
		{"not older", []float64{0}, 4, 0, StuckTime, false, Verdict{Rows: 1, Young: 1}},
		{"some of each", []float64{0, 10, 20, 38}, 40, 5, StuckTime, false, Verdict{Rows: 4, Dead: 1, Busy: 2, Young: 1}},
		{"too many", []float64{0}, 40, -1, QuietTime, true, Verdict{Rows: 1, Dead: 1, Busy: 1}},
	} {
		var j Journal
		var rows []Row
		for i, seen := range c.seen {
			rows = append(rows, row(int64(i+1)))
			j.Observe(at(seen), at(seen), rows, nil, false)
		}
		j.Observe(at(c.now-1), at(c.now), rows, nil, c.more)
		born := time.Time{}
		if c.born >= 0 {
			born = at(c.born)
		}
		got := j.Judge(at(c.now), Rule{Born: born, Quiet: func(Fate) time.Duration { return c.quiet }})
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if got.Rest() != (c.want.Young+c.want.Busy == 0) {
			t.Errorf("%s: at rest %t", c.name, got.Rest())
		}
		if !j.Read().Equal(at(c.now - 1)) {
			t.Errorf("%s: read at %s", c.name, j.Read())
		}
	}
}

// A row that comes again has changed, and so has one of another step.
func TestObserveForgets(t *testing.T) {
	now := time.Unix(1e9, 0)
	var j Journal
	see := func(rows ...Row) Verdict {
		now = now.Add(20 * time.Second)
		j.Observe(now, now, rows, nil, false)
		return j.Judge(now, Rule{})
	}
	see(Row{ID: 1, Key: "a"})
	if v := see(Row{ID: 1, Key: "a"}); v.Busy != 1 || j.Oldest(now) != 20*time.Second {
		t.Errorf("%+v, oldest %s", v, j.Oldest(now))
	}
	if v := see(Row{ID: 2, Key: "a"}); v.Young != 1 {
		t.Errorf("another row: %+v", v)
	}
	if v := see(Row{ID: 2, Key: "b"}); v.Young != 1 {
		t.Errorf("another step: %+v", v)
	}
	see()
	if v := see(Row{ID: 2, Key: "b"}); v.Young != 1 || j.Oldest(now) != 0 {
		t.Errorf("back again: %+v", v)
	}
	rows := []Row{{ID: 7, Key: "x"}}
	j.Observe(now, now, rows, nil, false)
	rows[0] = Row{ID: 8, Key: "y"}
	if j.rows[0].ID != 7 {
		t.Error("the journal has kept its caller's slice")
	}
}
