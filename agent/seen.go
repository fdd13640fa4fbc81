package agent

import (
	"math"

	"github.com/omflow/booster/internal/rollout"
)

// What a server has seen of control changes belongs to its process: it is determined before
// the process is started, and kept with it, also over a restart of the agent. What the
// agent hears later is nothing that the process has.

// foresee notes what a process that is started from now on will have seen: what a booster
// has said, if the files that it said are here.
func (m *monitor) foresee() {
	if m.part == nil {
		return
	}
	release := uint64(math.MaxUint64) // somebody else brings the files
	switch {
	case m.patch != nil:
		release = m.patch.State().Applied.Number
	case m.cur != nil && m.cur.patch != nil: // later settings were refused halfway
		release = 0
	}
	if next := m.part.tenant.NextEpoch(release); next != m.part.nextEpoch() {
		m.part.next.Store(&next)
	}
}

func (p *part) nextEpoch() rollout.Epoch {
	if next := p.next.Load(); next != nil {
		return *next
	}
	return ""
}

// stamp is what a process is started with, for the supervisor.
func (p *part) stamp() string { return string(p.nextEpoch()) }

// seen is the control epoch that the process has seen; without one, that of the next.
func (m *monitor) seen() rollout.Epoch {
	if m.process.PID == 0 {
		return m.part.nextEpoch()
	}
	seen := rollout.Epoch(m.process.Stamp)
	if seen.Validate() != nil { // the file of an adopted one is damaged
		return ""
	}
	return seen
}
