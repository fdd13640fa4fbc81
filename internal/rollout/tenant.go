package rollout

import (
	"math/rand/v2"
	"slices"
	"time"
)

// witnessTime is how long before the end of a lease that is not renewed the holder
// begins to ask the witnesses.
const witnessTime = 5 * time.Second

// extendTime is how long the witnesses' word lets a holder go on. A coordinator
// grants to another only after a majority of them has heard it for FenceTime
// without a gap; the last "not heard" of any of those is then at least FenceTime
// less twice HeardTime old, and extendTime and GuardTime fit into that.
const extendTime = 4 * time.Second

// soloTime is how long after a booster's last word an agent whose server was the lead starts
// a follower by its own decision. It is longer than the lease can count for the boosters, so
// that what its server took until then was the lead process's, and is replayed at once: they
// can't know of two processes apart while they don't hear the agent.
const soloTime = FenceTime + 2*time.Second

// Tenant is the agent's side of the lease: what its server may be run as. It is not
// safe for concurrent use; times are of one monotonic clock.
type Tenant struct {
	term  uint64
	offer uint64
	part  Part // as last answered
	heard time.Time
	// answer is the number of the last answer, got when it came.
	answer uint64
	got    time.Time

	grant   uint64 // accepted; until Released a process may run under it
	until   time.Time
	revoked bool // the lease is over, and does not come back

	alone     bool
	witnesses []string

	restart  uint64
	fast     bool
	done     uint64
	apply    uint64
	head     uint64
	headHash string
	ran      bool // it has been the lead
	// vacant is the time without a lead server before the grant, on this clock.
	vacant vacancy
	sifted bool // see Answer.Sifted
	// settled is the newest that was told.
	settled Settled
}

// Want is what the server should be run as.
type Want struct {
	Part  Part
	Grant uint64
	// Until is the end of the lease, with Lead.
	Until time.Time
	// Ran and Ended are, with Lead and before the process was seen to run, when a lead
	// process surely ran last and since when surely none has; zero when that is not known.
	Ran, Ended time.Time
	// Sifted is, with Lead and before the process was seen to run, true when a ticket that
	// stands still between two steps is surely nobody's.
	Sifted bool
	// Restart is the number of an order to restart that has not been carried out,
	// or 0. One is there for OrderTime after the booster has last repeated it: later
	// the server may be needed again. Fast is for a server that is idle.
	Restart uint64
	Fast    bool
	// Apply is the release to apply while there is no process, or 0. Head and HeadHash
	// name the newest release that there is.
	Apply    uint64
	Head     uint64
	HeadHash string
}

// NewTenant returns the Tenant of a server that waits for a booster's word.
func NewTenant() *Tenant { return &Tenant{offer: newOffer(), part: Wait} }

func newOffer() uint64 { return max(1, rand.Uint64()) }

// Resume tells that a lead process of an earlier agent runs under a grant whose
// lease ends at the given time.
func (t *Tenant) Resume(grant uint64, until time.Time) {
	t.grant, t.until, t.part = grant, until, Lead
}

// Fill writes into an Ask what the Tenant knows now.
func (t *Tenant) Fill(now time.Time, a *Ask) {
	a.Grant, a.Offer, a.Done, a.Term = t.grant, t.offer, t.done, t.term
	if t.grant != 0 {
		a.Witnesses = t.witnesses
	}
	if t.answer != 0 {
		a.Answer, a.Since = t.answer, max(0, now.Sub(t.got))
	}
	a.Heard = !t.heard.IsZero() && now.Sub(t.heard) < HeardTime
}

// Answered takes the answer to a question that was put at the time sent. It is now at
// least as late as when the answer came.
func (t *Tenant) Answered(sent, now time.Time, a Answer) {
	if a.Term < t.term {
		return // of a booster that does not know yet that another took over
	}
	if a.Term == t.term && sent.Before(t.heard) {
		return // overtaken by a later one
	}
	t.term = a.Term
	if sent.After(t.heard) {
		t.heard = sent
	}
	t.answer, t.got = a.Number, now
	t.alone, t.witnesses = a.Alone, slices.Clone(a.Witnesses)
	t.restart, t.fast = a.Restart, a.Fast
	t.apply, t.head, t.headHash = a.Apply, a.Head, a.HeadHash
	if a.Settled.Epoch != "" {
		t.settled = a.Settled
	}
	switch {
	case a.Part != Lead:
		t.part = a.Part
		if t.grant != 0 && a.Part == Follower {
			t.revoked = true
		}
	case t.grant == 0 && a.Offer == t.offer:
		t.part, t.grant, t.until, t.revoked = Lead, a.Grant, sent.Add(LeaseTime), false
		t.sifted = a.Sifted
		if t.vacant = (vacancy{}); a.Vacant != nil {
			// The answer was made some time between sent and now.
			t.vacant = vacancy{ran: sent.Add(-a.Vacant.Ran), ended: now.Add(-a.Vacant.Ended)}
		}
	case t.grant == a.Grant && !t.revoked:
		t.part = Lead
		if until := sent.Add(LeaseTime); until.After(t.until) && sent.Before(t.until) {
			t.until = until
		}
	}
}

// Want returns what the server should be run as now.
func (t *Tenant) Want(now time.Time) Want {
	w := Want{Part: t.part, Head: t.head, HeadHash: t.headHash}
	if now.Sub(t.heard) < OrderTime {
		w.Apply = t.apply
	}
	if t.restart > t.done && now.Sub(t.heard) < OrderTime {
		w.Restart, w.Fast = t.restart, t.fast
	}
	switch {
	case t.grant != 0 && !t.revoked && now.Before(t.until):
		w.Part, w.Grant, w.Until = Lead, t.grant, t.until
		w.Ran, w.Ended, w.Sifted = t.vacant.ran, t.vacant.ended, t.sifted
	case t.grant != 0:
		t.revoked = true
		w.Part = Follower
	case t.part == Lead:
		w.Part = Wait
	case t.part == Wait && t.ran && t.solo(now):
		w.Part = Follower // no booster says any more what it waits for
	}
	return w
}

// Released tells that surely no process runs as the lead, and none is being started.
func (t *Tenant) Released() {
	if t.grant == 0 {
		return
	}
	t.part, t.ran = Wait, true // it may be granted the lease again
	t.grant, t.revoked, t.offer = 0, false, newOffer()
}

// solo reports whether a server that was the lead is started as a follower without a
// booster's word.
func (t *Tenant) solo(now time.Time) bool {
	return now.Sub(t.heard) >= soloTime && now.Sub(t.until) >= soloTime-LeaseTime
}

// Restarted tells that the process was started after the order of that number.
func (t *Tenant) Restarted(order uint64) { t.done = max(t.done, order) }

// Hears reports whether a booster has answered lately. Witnesses say so to a holder:
// it is twice HeardTime, because a booster counts an agent as one that hears it when
// the agent has asked within HeardTime and had an answer within HeardTime then.
func (t *Tenant) Hears(now time.Time) bool {
	return !t.heard.IsZero() && now.Sub(t.heard) < 2*HeardTime
}

// Heard returns whether a booster has ever answered.
func (t *Tenant) Heard() bool { return !t.heard.IsZero() }

// NextEpoch returns the control epoch that a process which is started now, on the files of
// a release or a later one, will have seen: "" while that is not known.
func (t *Tenant) NextEpoch(release uint64) Epoch {
	if release < t.settled.Release {
		return ""
	}
	return t.settled.Epoch
}

// Term returns the highest term that was heard of.
func (t *Tenant) Term() uint64 { return t.term }

// Witnesses returns the agents to ask whether they hear the booster, because the
// lease is about to run out where only one booster is configured. ok is false when
// nobody is to be asked.
func (t *Tenant) Witnesses(now time.Time) (names []string, ok bool) {
	if !t.alone || t.grant == 0 || t.revoked || !now.Before(t.until) || t.until.Sub(now) > witnessTime {
		return nil, false
	}
	return slices.Clone(t.witnesses), true
}

// Extend lets the holder go on without the booster, after the witnesses were asked at
// the time asked: reached have answered, hears of them hear the booster.
func (t *Tenant) Extend(asked time.Time, witnesses []string, reached, hears int) bool {
	if hears > 0 || 2*reached < len(witnesses) || !slices.Equal(witnesses, t.witnesses) {
		return false
	}
	if !t.alone || t.grant == 0 || t.revoked || !asked.Before(t.until) {
		return false
	}
	if until := asked.Add(extendTime); until.After(t.until) {
		t.until = until
	}
	return true
}
