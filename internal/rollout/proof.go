package rollout

import (
	"math/rand/v2"
	"slices"
	"time"
)

// When a question is heard says little of when it was made: it may have been on its way
// for seconds, and what it says be over meanwhile. So a question repeats the number of the
// last answer that its agent has, and how long it has had that by its own clock. It was
// made at least that long after the answer was: that is proved, and is never too late,
// whatever the messages' ways took. (It is TCP's echoed timestamp, RFC 7323 section 4,
// with the agent's own pause taken off.) The first question to a booster proves nothing,
// and neither does one after more lost answers than are kept.

// maxGiven bounds the answers to one agent that are kept: an agent repeats the last one
// that has reached it, and asks no more than four times a second for the ten of a lease.
const maxGiven = 40

// answers are those that were given to an agent which it may still repeat, the oldest
// first. The zero value is ready.
type answers struct{ list []given }

type given struct {
	number uint64
	at     time.Time
}

// give returns the number of an answer that is made now.
func (a *answers) give(now time.Time) uint64 {
	if len(a.list) == maxGiven {
		a.list = slices.Delete(a.list, 1, 2) // the agent has the first, or none of them
	}
	number := max(1, rand.Uint64())
	a.list = append(a.list, given{number, now})
	return number
}

// made returns when a question was made that is heard now, as early as that can have been;
// zero: it proves nothing.
func (a *answers) made(now time.Time, ask Ask) time.Time {
	i := slices.IndexFunc(a.list, func(g given) bool { return g.number == ask.Answer })
	if i < 0 || ask.Answer == 0 {
		return time.Time{}
	}
	a.list = slices.Delete(a.list, 0, i) // it repeats none of these any more
	// No agent can say that it was asked from the future. And where this machine was
	// suspended meanwhile, and its clock stood still, the time is counted from before.
	at := a.list[0].at
	return at.Add(min(ask.Since, now.Sub(at)))
}

// longest returns how long ago a time was, at most: the monotonic clock stands still while
// a machine is suspended, and the wall clock may be set.
func longest(now, then time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}
