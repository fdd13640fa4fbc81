package rollout

import (
	"slices"
	"time"
)

// Status is what the coordinator knows, for people.
type Status struct {
	// Lead is the holder of the lease, "" when there is none. Running tells that its
	// process runs as the lead.
	Lead    string
	Running bool
	// Doing is what is done now, and Waiting what for; "" when nothing is.
	Doing, Waiting string
	// Rows is how many items the flow queue's journal holds, Oldest how long the
	// oldest has not moved. Blind says why it can't be read.
	Rows   int
	Oldest time.Duration
	Blind  string
	Epoch  Epoch
	// Behind are the servers that have not seen the newest control change.
	Behind []string
	// Missed, StrandedTickets and FailedCommands are what agents tell people to look after,
	// see Ask.
	Missed, StrandedTickets, FailedCommands []string
	// Pauses is how many tickets wait in a pause that is over and that the lead server
	// does not know of.
	Pauses int
}

// Status returns what is known now; ok is false when this booster is not the active
// one.
func (c *Coordinator) Status() (s Status, ok bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.look(now); !c.active {
		return Status{}, false
	}
	s = Status{
		Lead: c.lease.holder, Running: c.lease.running, Doing: c.doing, Waiting: c.waiting,
		Rows: len(c.journal.rows), Oldest: c.journal.Oldest(now), Epoch: c.epoch,
		Pauses: c.overduePauses(now),
	}
	if s.Doing == "" && c.laggard != "" {
		s.Waiting = "server " + c.laggard + " to have the files of the replicated folder that others have"
	}
	if c.blind != nil {
		s.Blind = c.blind.Error()
	}
	for name, a := range c.agents {
		if c.behind(now, name, a) {
			s.Behind = append(s.Behind, name)
		}
		s.Missed = append(s.Missed, a.ask.Missed...)
		s.StrandedTickets = append(s.StrandedTickets, a.ask.StrandedTickets...)
		s.FailedCommands = append(s.FailedCommands, a.ask.FailedCommands...)
	}
	for _, texts := range [][]string{s.Missed, s.StrandedTickets, s.FailedCommands} {
		slices.Sort(texts)
	}
	slices.Sort(s.Behind)
	return s, true
}
