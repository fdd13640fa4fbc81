package agent

import (
	"time"

	"github.com/omflow/booster/internal/rollout"
)

const (
	// stillTime is the longest time between two questions after which an agent takes what it
	// has seen for what is so: more than [rollout.AskTime] on a busy machine. After a longer
	// one it has stood still, and its server may have ended meanwhile, or no booster has
	// answered.
	stillTime = rollout.AskTime + 500*time.Millisecond
	// clockStep is how far the clocks of one machine may come apart by themselves in the time
	// that a change of lead takes.
	clockStep = 100 * time.Millisecond
)

// fill writes into a question what is known of the lease, and whether it proves when it was
// made.
func (p *part) fill(now time.Time, ask *rollout.Ask) {
	p.tenant.Fill(now, ask)
	if now.Sub(p.asked) > stillTime {
		p.awake = now
		ask.Answer, ask.Since = 0, 0 // what was seen of the process may be over
	}
	p.asked = now
}

// sureEnd returns when a process was seen to end, or the zero time when it may have ended
// before that, because this agent has just stood still.
func (p *part) sureEnd(seen time.Time) time.Time {
	if seen.Sub(p.awake) < stillTime || seen.Sub(p.asked) > stillTime {
		return time.Time{}
	}
	return seen
}

// endedAgo is how long ago the last lead process ended, 0 when that is not known: where the
// machine was suspended since, the monotonic clock stood still, and where the wall clock was
// set, nobody can tell that from it.
func (p *part) endedAgo(now time.Time) time.Duration {
	ago := now.Sub(p.ended)
	if wall := now.Round(0).Sub(p.ended.Round(0)); p.ended.IsZero() || (wall-ago).Abs() > clockStep {
		return 0
	}
	return max(1, ago)
}
