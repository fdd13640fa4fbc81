package watch

import (
	"testing"
	"time"
)

// TestSettler goes through scripts of activity and looks. Times are
// milliseconds; the settle time is 500 and the longest 2000.
func TestSettler(t *testing.T) {
	type look struct {
		at      int
		quietAt int // of files that are too young
		open    bool
		want    decision
	}
	const none = -1
	for _, tc := range []struct {
		name     string
		activity []int
		looks    []look
		dueAfter []int // after the activity, and after each look
	}{
		{"nothing", nil, nil, []int{none}},
		{"one change", []int{0}, []look{{500, 0, false, publish}}, []int{500, none}},
		{"quiet begins with the last", []int{0, 300, 700}, []look{{1200, 0, false, publish}}, []int{1200, none}},
		{"times out of order", []int{300, 0}, []look{{800, 0, false, publish}}, []int{800, none}},
		{"never quiet", []int{0, 400, 800, 1200, 1600, 1999}, []look{{2000, 2499, false, publishPart}, {2499, 0, false, publish}},
			[]int{2000, 2499, none}},
		{"longest wait comes first", []int{0, 1800}, nil, []int{2000}},
		{"a young file", []int{0}, []look{{500, 650, false, wait}, {650, 0, false, publish}}, []int{500, 650, none}},
		{"a writer", []int{0}, []look{{500, 0, true, wait}, {600, 0, true, wait}, {700, 0, false, publish}},
			[]int{500, 600, 700, none}},
		{"a writer and a young file", []int{0}, []look{{500, 900, true, wait}}, []int{500, 900}},
		{"a writer past the longest wait", []int{0}, []look{{1950, 0, true, wait}, {2000, 0, true, publishPart}, {2100, 0, true, wait}, {2200, 0, false, publish}},
			[]int{500, 2000, 2100, 2200, none}},
		{"a writer for ever", []int{0}, []look{{2000, 0, true, publishPart}, {3999, 0, true, wait}, {4000, 0, true, publishPart}},
			[]int{500, 2100, 4000, 4100}},
		{"asked without activity", nil, []look{{100, 0, true, wait}, {200, 0, false, publish}}, []int{none, 200, none}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
			s := settler{settle: 500 * time.Millisecond, max: 2 * time.Second}
			checkDue := func(when string, want int) {
				t.Helper()
				switch due := s.due(); {
				case want == none && !due.IsZero():
					t.Errorf("%s: due at %s, want never", when, due.Sub(start))
				case want != none && !due.Equal(at(want)):
					t.Errorf("%s: due at %s, want %dms", when, due.Sub(start), want)
				}
			}
			for _, ms := range tc.activity {
				s.activity(at(ms))
			}
			checkDue("after the activity", tc.dueAfter[0])
			for i, l := range tc.looks {
				var quietAt time.Time
				if l.quietAt != 0 {
					quietAt = at(l.quietAt)
				}
				if got := s.decide(at(l.at), quietAt, l.open); got != l.want {
					t.Errorf("look at %dms: decision %d, want %d", l.at, got, l.want)
				}
				checkDue("after the look", tc.dueAfter[i+1])
			}
		})
	}
}

// Restart gives a wait that goes on its full length, and begins none.
func TestSettlerRestart(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := settler{settle: time.Second, max: 5 * time.Second}
	s.restart(start)
	if !s.due().IsZero() {
		t.Error("restart began a wait")
	}
	s.activity(start)
	later := start.Add(time.Minute)
	if !s.overdue(later) {
		t.Error("not overdue after a minute")
	}
	s.restart(later)
	if s.overdue(later) || s.overdue(later.Add(4999*time.Millisecond)) || !s.overdue(later.Add(5*time.Second)) {
		t.Error("the wait was not begun anew")
	}
}
