package agent

import (
	"context"
	"time"

	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/supervise"
)

// startLead starts the process as the lead, under a guard.
func (m *monitor) startLead(want rollout.Want) {
	p := m.part
	if p.guard != nil {
		if err := p.guard.Prepare(); err != nil {
			m.log.Error("the lead server is not started: nothing would end it when this agent can't", "error", err)
			m.released()
			return
		}
	}
	p.held = time.Time{}
	m.log.Info("server is started as the lead server")
	if !m.start(rollout.Lead) {
		m.released()
		return
	}
	if m.process.State == supervise.Running {
		m.guardLead(want)
	}
	m.askNow()
}

// guardLead tells the guard, and the next agent, how long the lead may run.
func (m *monitor) guardLead(want rollout.Want) {
	p := m.part
	if want.Until.Equal(p.held) {
		return
	}
	left := time.Until(want.Until)
	k := keepsake{PID: m.process.PID, Part: rollout.Lead, Grant: want.Grant, Until: bootDeadline(left)}
	err := k.save(m.dir)
	if err != nil && !p.unkept { // it is tried again at each renewal, each second
		m.log.Warn("the lead server could not be taken over by another agent", "error", err)
	}
	p.unkept = err != nil
	p.held = want.Until
	if p.guard == nil {
		return
	}
	start, err := startOf(m.process.PID)
	if err == nil {
		err = p.guard.Hold(m.process.PID, start, left+rollout.GuardTime)
	}
	if err != nil {
		m.log.Error("nothing ends the lead server when this agent can't", "error", err)
	}
}

// released tells that no lead process runs, and asks what comes next.
func (m *monitor) released() {
	p := m.part
	p.as = ""
	p.tenant.Released()
	if p.guard != nil {
		if err := p.guard.Release(); err != nil {
			m.log.Warn("the lead server's guard", "error", err)
		}
	}
	m.askNow()
}

// letGo notes that the process has ended for good whose command is configured no more. A
// lease that it was the lead under is given back: another server is to be the lead.
func (m *monitor) letGo(ctx context.Context) {
	p := m.part
	if p == nil || p.as == "" {
		return
	}
	m.mourn(ctx, 0)
	if p.as == rollout.Lead {
		p.ended = p.sureEnd(m.process.Since)
		m.released()
	}
	p.as = ""
}

// retire gives the lease back when the server was stopped for good.
func (m *monitor) retire() {
	if m.part == nil {
		return
	}
	m.part.mourning.Wait()
	if m.part.as != rollout.Lead {
		return
	}
	m.part.as, m.part.ended, m.process = "", m.sup.State().Since, supervise.Status{State: supervise.Stopped}
	m.part.tenant.Released()
	if m.part.guard != nil {
		if err := m.part.guard.Release(); err != nil {
			m.log.Warn("the lead server's guard", "error", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	last := m.question(time.Now())
	last.Offer = 0 // or it would be given the lease again
	if _, err := m.to.Ask(ctx, last); err != nil {
		m.log.Debug("the lease could not be given back; it runs out", "error", err)
	}
}
