package rollout

import (
	"cmp"
	"time"
)

// settleSlack is how much longer than Config.Settle a server without a process is kept from
// its start for a control change that is not settled.
const settleSlack = 2 * time.Second

// pendingTime bounds how long a control change waits for its files, or those of one that is
// under way, to become a release.
const pendingTime = 15 * time.Second

// changes is what is known of control changes.
type changes struct {
	epoch   Epoch
	changed time.Time // when epoch was last seen to change
	settled Settled
	since   time.Time // that settled is what it is
	// head is the newest release, as last seen; former the one before the first change that
	// is not settled, last the one before the newest change.
	head, former, last uint64
}

// begin is for a booster that has just become the active one: it does not know when the
// changes that it finds were made.
func (h *changes) begin(now time.Time, epoch Epoch, head uint64) {
	*h = changes{epoch: epoch, changed: now, head: head, former: head, last: head}
}

// see takes note of the control epoch. What a control request has written is in no release
// before the change is noted: proposals of its server are held back until it is answered.
func (h *changes) see(now time.Time, epoch Epoch, head uint64) {
	if h.isSettled() {
		h.former = h.head
	}
	if epoch != h.epoch {
		h.epoch, h.changed, h.last = epoch, now, h.head
	}
	h.head = head
}

func (h *changes) isSettled() bool { return h.settled.Epoch == h.epoch }

// leadServer is the server that takes control requests, or has taken them last while there
// is none, or "". The caller holds c.mu, here and below.
func (c *Coordinator) leadServer() string {
	return cmp.Or(c.lease.holder, c.lease.last, c.cfg.FixedLead())
}

// head is the newest release that there is, 0 for none.
func (c *Coordinator) head() uint64 {
	if c.cfg.Releases == nil {
		return 0
	}
	number, _ := c.cfg.Releases.Head()
	return number
}

// follow takes note of control changes, and of when the newest is settled: what it has
// written, if anything, is in a release then, and servers may be started for it.
func (c *Coordinator) follow(now time.Time) {
	h := &c.changes
	h.see(now, EpochOf(c.cfg.Marks()), c.head())
	if h.isSettled() || c.unpublished(now) {
		return
	}
	target := c.target()
	// The release of the lead server's change is there already, or there is none.
	lead := c.agents[c.leadServer()]
	complete := h.head > h.last && target.Number == h.head && target.Origin == c.leadServer() &&
		lead != nil && lead.made.After(h.changed) // it says now that it has no others
	if !complete && !c.quietChange(now) {
		return
	}
	if h.settled.Epoch == "" { // what was before this booster was the active one
		if target.Number == 0 && h.head != 0 && now.Sub(h.changed) < pendingTime {
			return // the sequence is still compared with the other nodes'
		}
		h.settled.Release = target.Number
	}
	if h.head > h.former {
		h.settled.Release = h.head
	}
	h.settled.Epoch, h.since = h.epoch, now
}

// onItsWay reports whether the word of a server that is behind, that a new process would
// not be, may be on its way: so that servers are refreshed by name, and not as it comes.
func (c *Coordinator) onItsWay(now time.Time, a *asker) bool {
	return c.isSettled() && !a.ask.NextEpoch.Covers(c.epoch) && now.Sub(c.changes.since) < 2*AskTime
}

// quietChange reports whether no control change has been made for Config.Settle, and the
// lead server's agent has said since how its files stand.
func (c *Coordinator) quietChange(now time.Time) bool {
	if now.Sub(c.changed) < c.cfg.Settle {
		return false
	}
	lead := c.agents[c.leadServer()]
	return lead == nil || lead.made.Sub(c.changed) >= c.cfg.Settle || now.Sub(c.changed) >= pendingTime
}

// unpublished reports whether what a control change has written may still become a release,
// or one is being made: a server that is started now would not have its files.
func (c *Coordinator) unpublished(now time.Time) bool {
	if now.Sub(c.changed) >= pendingTime {
		return false
	}
	name := c.leadServer()
	lead := c.agents[name]
	switch {
	case name == "":
		return false
	case lead == nil:
		return c.cfg.FixedLead() == "" // its agent will ask, or the lease runs out
	default:
		return !lead.alive(now) || lead.ask.Pending || c.cfg.Changing != nil && c.cfg.Changing(name)
	}
}

// settling reports whether a server that is started now would be restarted soon, for a
// control change that is not settled. It is not kept for longer than one change takes, since
// others may follow without end.
func (c *Coordinator) settling(now time.Time, a *asker) bool {
	limit := min(c.cfg.Settle, pendingTime) + settleSlack
	return !c.isSettled() && now.Sub(c.changed) < limit && now.Sub(a.down) < limit
}
