package agent

import (
	"testing"
	"time"
	"unsafe"

	"github.com/omflow/booster/internal/rollout"
)

// asleep is a time at which the monotonic clock has stood still for d before, and the wall
// clock has gone on: what [time.Now] returns on a machine that was suspended, and what no
// arithmetic on times makes. A Time keeps the monotonic clock in its second word.
func asleep(t time.Time, d time.Duration) time.Time {
	t = t.Add(d)
	(*struct {
		wall uint64
		ext  int64
	})(unsafe.Pointer(&t)).ext -= int64(d)
	return t
}

// An agent that has stood still proves nothing, and does not say when its server ended.
func TestStoodStill(t *testing.T) {
	const s = time.Second
	begun := time.Now()
	p := newPart()
	says := func(after time.Duration) rollout.Ask {
		p.tenant.Answered(begun.Add(after), begun.Add(after), rollout.Answer{Term: 1, Part: rollout.Follower, Number: 7})
		var ask rollout.Ask
		p.fill(begun.Add(after+s/10), &ask)
		return ask
	}
	for _, tt := range []struct {
		after  time.Duration // that it is asked
		proves bool
		end    time.Duration // that is seen then
		known  bool
	}{
		{0, false, 0, false}, // its process may be another agent's, which has ended long before
		{s, true, s + s/5, false},
		{2 * s, true, 2*s + s/5, true},
		{3 * s, true, 7 * s, false}, // seen before it asks again
		{8 * s, false, 8 * s, false},
		{9 * s, true, 9*s + s/5, false},
		{10 * s, true, 10*s + s/5, true},
	} {
		if ask := says(tt.after); (ask.Answer != 0) != tt.proves {
			t.Errorf("after %s: answer %d after %s", tt.after, ask.Answer, ask.Since)
		}
		if end := p.sureEnd(begun.Add(tt.end)); end.IsZero() == tt.known {
			t.Errorf("after %s: its end at %s is known: %t", tt.after, tt.end, !end.IsZero())
		}
	}
}

// How long ago a server ended is not known where a clock has stood still, or was set.
func TestEndedAgo(t *testing.T) {
	ended := time.Now()
	p := newPart()
	if got := p.endedAgo(ended); got != 0 {
		t.Errorf("none has ended, %s ago", got)
	}
	p.ended = ended
	for _, tt := range []struct {
		now  time.Time
		want time.Duration
	}{
		{ended, 1}, {ended.Add(time.Second), time.Second},
		{asleep(ended.Add(time.Second), time.Minute), 0}, {asleep(ended.Add(time.Second), -time.Minute), 0},
	} {
		if got := p.endedAgo(tt.now); got != tt.want {
			t.Errorf("%s later: %s ago, want %s", tt.now.Round(0).Sub(ended.Round(0)), got, tt.want)
		}
	}
}
