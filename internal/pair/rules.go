package pair

import (
	"math"
	"slices"
	"time"
)

// Role is which of the two boosters a node is.
type Role string

// Roles.
const (
	Primary   Role = "primary"
	Secondary Role = "secondary"
)

// State is whether a booster is the active one.
type State string

// States.
const (
	Active  State = "active"
	Standby State = "standby"
)

const (
	// MaxWitnesses is how many agents are asked at most: with five, two may be
	// away, and each beat costs one packet more for each.
	MaxWitnesses = 5

	// maxAdvisers is how many agents a booster without a list asks before it becomes
	// active: any of them may be a witness of the other one's.
	maxAdvisers = 64

	// DefaultFailover is how long an active booster may not be heard before the
	// other asks for its place.
	DefaultFailover = 250 * time.Millisecond

	// MinFailover and MaxFailover bound it. Below 100 ms a busy machine's pauses
	// look like failures.
	MinFailover = 100 * time.Millisecond
	MaxFailover = time.Minute

	// DefaultPreempt is how long the primary must be well before it takes over
	// again.
	DefaultPreempt = 5 * time.Second

	// DefaultDrain bounds what is done before a planned failover: a request that
	// lasts longer is cut.
	DefaultDrain = 30 * time.Second

	// maxBeat is the time between two beats, if a fifth of the failover time is
	// not shorter.
	maxBeat = 50 * time.Millisecond

	// primaryAlone and secondaryAlone are how long a booster that has just
	// started looks for the other one before it asks to be active: long enough
	// to join the cluster, and the secondary longer so that of two that start
	// together the primary is first even if it comes up later by a second.
	primaryAlone   = 2 * time.Second
	secondaryAlone = 4 * time.Second

	// loneLease is the lease of a booster without witnesses that knows of no other
	// one. Who comes looks for it for primaryAlone at least, and is known to it from its
	// first message on: so there is as much time again for that message.
	loneLease = time.Second

	// standDownAfter is how long after the last beat that counted an active
	// booster takes itself for a standby. Until then it acts as neither, and goes
	// on where it was as soon as enough acknowledgements come in: a machine that
	// was starved for a moment has not lost its place if nobody took it.
	standDownAfter = time.Second

	// deferral is how long the one that is not first lets the other go first
	// when neither is active and both hear each other.
	deferral = time.Second

	// yieldFor is how long an active booster offers its place.
	yieldFor = time.Second

	// wordTime is how long after this booster has lost its place a planned failover waits
	// for word of the other one, which may have gone as well.
	wordTime = 5 * time.Second

	// untakenPause is how long it goes on in peace when the place was not taken:
	// each offer holds new connections for up to a second.
	untakenPause = 10 * time.Second

	// witnessGone is how long a witness may be away before another agent takes
	// its place on the list: longer than a restart. All of them may be away for
	// ten times that before the list becomes empty, for which the other booster
	// must be there.
	witnessGone = time.Minute

	// maxTerm leaves room to count.
	maxTerm = math.MaxUint64 / 2
)

// forever is the end of a lease that depends on nobody.
const forever = time.Duration(math.MaxInt64)

// beatOf is the time between two beats.
func beatOf(failover time.Duration) time.Duration { return min(maxBeat, failover/5) }

// leaseOf is for how long after a beat was sent its acknowledgement keeps the
// sender active. Whoever acknowledged it does not let the other take over
// before failover has passed since it arrived; the rest is for clocks that run
// at different speeds and for the guard process to take the address off.
func leaseOf(failover time.Duration) time.Duration { return failover * 7 / 10 }

// nextTerm returns the lowest term above t that a booster of this role may use.
// The primary's are odd and the secondary's even, so that no term is ever used
// by both, whatever was lost.
func nextTerm(t uint64, role Role) uint64 {
	t++
	if (t%2 == 1) != (role == Primary) {
		t++
	}
	return t
}

// needed is how many of n witnesses a booster needs, to become active or to
// stay active. With the casting vote half of them are enough: more than half
// and at least half can't be disjoint, so of the two only one gets there.
func needed(n int, castingVote bool) int {
	if castingVote {
		return (n + 1) / 2
	}
	return n/2 + 1
}

// quorum returns until when enough witnesses of the list stand by a booster,
// given until when each does. Of an empty list that is for ever.
func quorum(l list, castingVote bool, until func(name string) time.Duration) time.Duration {
	if len(l.Names) == 0 {
		return forever
	}
	ends := make([]time.Duration, 0, MaxWitnesses)
	for _, name := range l.Names {
		ends = append(ends, until(name))
	}
	slices.Sort(ends)
	return ends[len(ends)-needed(len(ends), castingVote)]
}

// chooseWitnesses returns who shall be on the list: those that are on it and
// were seen within gone, then others that are there, by name. seen tells when
// an agent was last there.
func chooseWitnesses(current []string, seen map[string]time.Duration, now, gone time.Duration, peerInTouch bool) []string {
	within := func(name string, d time.Duration) bool {
		at, ok := seen[name]
		return ok && now-at <= d
	}
	var names []string
	for _, name := range current {
		if within(name, gone) {
			names = append(names, name)
		}
	}
	var others []string
	for name := range seen {
		if within(name, 0) && !slices.Contains(names, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	names = append(names, others[:min(len(others), MaxWitnesses-len(names))]...)
	slices.Sort(names)
	if len(names) == 0 && (!peerInTouch || slices.ContainsFunc(current, func(name string) bool { return within(name, 10*gone) })) {
		return current
	}
	return names
}
