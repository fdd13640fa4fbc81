package agent

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/guard"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/supervise"
)

const (
	// askSoon is how often a booster is asked while something is about to change.
	askSoon = 250 * time.Millisecond
	// askTimeout bounds one question.
	askTimeout = 2 * time.Second
	// idleGrace is between TERM and KILL for a server that is idle: OMFLOW's threads
	// never end by themselves.
	idleGrace = 3 * time.Second
)

// part is what an OMFLOW Server is run as: the lead server or a follower, as the
// active booster wants it. It belongs to the monitor's goroutine.
type part struct {
	tenant *rollout.Tenant
	// as is what the process runs as, "" when there is none.
	as rollout.Part
	// next is the control epoch that a process which is started now will have seen. Other
	// goroutines read it.
	next atomic.Pointer[rollout.Epoch]
	// order is the newest order to restart when the process was started, told the one
	// that the boosters were told of.
	order, told uint64
	guard       *guard.Lead // nil where there are no guards
	held        time.Time   // the end of the lease that the guard was told last
	unkept      bool        // that could not be written down for the next agent
	asking      bool
	asked       time.Time   // when the last question was made
	awake       time.Time   // since when they have come one after the other
	answers     chan func() // to be run by the monitor
	timer       *time.Timer // of the next question
	witnessed   bool        // witnesses are being asked

	pid      int            // of the process that was last seen to run; 0: it was seen to have ended
	mourning sync.WaitGroup // looks for what ended processes have left
	prepared uint64         // the grant that a lead process's start was prepared for
	searched uint64         // the grant that stranded tickets were looked for
	begun    bool           // it was seen whether a process runs
	unseek   func()         // ends the search for what a process has left stranded; nil before the first
	stranded time.Time      // when that has found any last
	ended    time.Time      // when a lead process was seen to end last
	calendar *calendar      // nil without a database
	missed   notices        // schedules that nobody has fired
	left     notices        // tickets that stand still, and that nobody but people can move on
	failed   notices        // commands for a change that have failed
	prove    time.Time      // until when schedules were caught up with before the lead's start
	deployed rollout.Epoch  // the control epoch at which the deployed flows were read last
	pauses   lostPauses     // that the lead server does not know of
}

func newPart() *part {
	return &part{tenant: rollout.NewTenant(), answers: make(chan func(), 4), timer: time.NewTimer(0)}
}

// question is what the booster is told.
func (m *monitor) question(now time.Time) rollout.Ask {
	p := m.part
	ask := rollout.Ask{
		Server: m.name, Candidate: m.runs() && m.cur.home != "", Runs: p.as, Epoch: m.seen(), NextEpoch: p.nextEpoch(),
		Failed: m.process.State == supervise.Fatal, Stale: m.stale(),
	}
	if p.as != "" && m.process.PID != 0 {
		ask.Age = max(0, now.Sub(m.process.Since))
		ask.Ready = m.process.State == supervise.Running && m.checks.Ready == health.Up
	}
	m.fillSchedules(now, &ask)
	m.fillFlows(&ask)
	m.fillPauses(&ask)
	m.fillReplica(&ask)
	p.fill(now, &ask)
	if m.absent() != "" {
		ask.Offer = 0 // it can't be the lead server yet
	}
	m.fillPatch(&ask)
	return ask
}

// ask puts the question to the boosters, one at a time.
func (m *monitor) ask(ctx context.Context) {
	p := m.part
	if p.asking || m.cur == nil {
		return
	}
	p.asking = true
	now := time.Now()
	question, to := m.question(now), m.to
	go func() {
		actx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		answer, err := to.Ask(actx, question)
		p.answers <- func() { m.answered(now, answer, err) }
	}()
	if witnesses, ok := p.tenant.Witnesses(now); ok && !p.witnessed {
		p.witnessed = true
		go func() {
			actx, cancel := context.WithTimeout(ctx, rollout.AskTime)
			defer cancel()
			reached, hears := to.Witness(actx, witnesses)
			p.answers <- func() {
				p.witnessed = false
				if p.tenant.Extend(now, witnesses, reached, hears) {
					m.log.Debug("the lead goes on without the booster, which no witness hears either", "witnesses", reached)
				}
			}
		}()
	}
}

// answered takes a booster's answer.
func (m *monitor) answered(sent time.Time, answer rollout.Answer, err error) {
	p := m.part
	p.asking = false
	if err != nil {
		if !m.silent {
			m.silent = true
			m.log.Warn("no active booster answers", "error", err)
		}
	} else {
		if m.silent {
			m.silent = false
			m.log.Info("the active booster answers again")
		}
		p.tenant.Answered(sent, time.Now(), answer)
		m.patchHeard(time.Now(), answer)
	}
	m.askNext(time.Now())
}

// askNext sets the time of the next question.
func (m *monitor) askNext(now time.Time) {
	p := m.part
	pause := rollout.AskTime
	if w := p.tenant.Want(now); w.Part == rollout.Wait || w.Part != p.as || w.Restart != 0 {
		pause = askSoon
	}
	p.timer.Reset(pause)
}

// play brings what runs in line with what a booster wants, one step at a time.
func (m *monitor) play(ctx context.Context) {
	p := m.part
	now := time.Now()
	want := p.tenant.Want(now)
	switch m.process.State {
	case supervise.Starting, supervise.Stopping:
		return
	case supervise.Running:
		m.mourn(ctx, m.process.PID)
		m.playOn(ctx, want)
		return
	}
	// There is no process.
	m.mourn(ctx, 0)
	if p.as == rollout.Lead {
		p.ended = p.sureEnd(m.process.Since)
		m.released()
		want = p.tenant.Want(now)
	}
	if m.process.State == supervise.Stopped {
		p.as = ""
	}
	if number := m.toApply(now, want); number != 0 && m.patchGate() == "" {
		if m.process.State == supervise.Backoff {
			m.do("stop", func() error { return m.sup.Stop(ctx) }) // it must not start meanwhile
		} else {
			m.applyStopped(ctx, number)
		}
		return
	}
	if reason := m.gate(); reason != "" {
		if m.process.State == supervise.Backoff {
			// It must not start meanwhile: on half a release, or to fail until it is given
			// up while only its database is away.
			m.do("stop", func() error { return m.sup.Stop(ctx) })
		}
		return
	}
	switch {
	case want.Part == rollout.Lead && m.process.State == supervise.Stopped && p.prepared != want.Grant:
		p.prepared = want.Grant
		m.prepareLead(ctx, want)
	case want.Part == rollout.Lead && m.process.State == supervise.Stopped:
		m.startLead(want)
	case want.Part == rollout.Lead:
		m.do("stop", func() error { return m.sup.Stop(ctx) }) // it is not started again as a follower
	case want.Part == rollout.Follower && (m.process.State == supervise.Stopped || want.Restart != 0 && m.process.State == supervise.Fatal):
		m.start(rollout.Follower)
	}
}

// playOn brings a process that runs in line.
func (m *monitor) playOn(ctx context.Context, want rollout.Want) {
	p := m.part
	now := time.Now()
	hangs, why := hung(m.process, m.checks, m.cur.checks.Live != nil)
	switch {
	case p.as == rollout.Lead && want.Part != rollout.Lead:
		m.stopLead(ctx)
	case p.as == rollout.Lead && (hangs || m.outdated):
		// The next life of the lead needs a grant of its own.
		if m.outdated {
			why = "its command has changed"
		}
		grace := idleGrace
		if hangs {
			m.replaced()
		} else {
			grace = m.cur.grace
		}
		m.outdated = false
		m.log.Warn("the lead server is stopped, to be started again", "pid", m.process.PID, "reason", why)
		m.do("stop", func() error { return m.sup.StopFast(ctx, grace) })
	case p.as == rollout.Lead:
		m.guardLead(want)
		m.proveSchedules(ctx)
		m.seekPauses(ctx)
	case want.Part == rollout.Lead:
		m.log.Info("server is stopped, to be started as the lead server")
		m.do("stop", func() error { return m.sup.StopFast(ctx, idleGrace) })
	case want.Restart != 0 && want.Restart > p.order:
		grace := m.cur.grace
		if want.Fast {
			grace = idleGrace
		}
		p.order = want.Restart
		if number := m.toApply(now, want); number != 0 {
			m.applyRunning(ctx, want.Restart, number, grace)
			return
		}
		m.log.Info("server is restarted: a booster asks for it")
		m.do("restart", func() error { return m.sup.Replace(ctx, grace, "a booster asks for a restart") })
	case p.order > p.told:
		// Also when the order has vanished meanwhile: it was carried out.
		p.told = p.order
		p.tenant.Restarted(p.order)
		m.askNow()
	case m.outdated:
		m.outdated = false
		m.log.Info("server is restarted: its command has changed")
		m.do("restart", func() error { return m.sup.Restart(ctx) })
	case hangs:
		m.log.Error("server is replaced", "pid", m.process.PID, "reason", why)
		m.replaced()
		m.do("replace", func() error { return m.sup.Replace(ctx, idleGrace, why) })
	}
}

// askNow has the next question put at once.
func (m *monitor) askNow() { m.part.timer.Reset(0) }

// start starts the process as a follower or the lead.
func (m *monitor) start(as rollout.Part) bool {
	p := m.part
	p.order = p.tenant.Want(time.Now()).Restart
	if _, err := m.sup.Configure(m.command(m.cur, as)); err != nil {
		m.log.Error("server could not be started", "error", err)
		return false
	}
	if err := m.sup.Start(); err != nil {
		m.log.Error("server could not be started", "error", err)
		return false
	}
	p.as = as
	m.outdated = false
	m.observe(m.sup.State())
	return true
}

// adopt takes over the process of an earlier agent, as what it ran.
func (m *monitor) adopt() {
	p := m.part
	k, known, err := loadKeepsake(m.dir)
	if err != nil {
		m.log.Warn("it is not known what the server ran as; it is taken for a follower", "error", err)
	}
	as := rollout.Follower
	if known && k.Part == rollout.Lead {
		as = rollout.Lead
	}
	if _, err := m.sup.Configure(m.command(m.cur, as)); err != nil {
		m.log.Error("server can't be taken over", "error", err)
		return
	}
	found, outdated, err := m.sup.Adopt()
	if err != nil || !found {
		return
	}
	m.observe(m.sup.State())
	p.as, m.outdated = as, outdated
	if as == rollout.Lead {
		p.tenant.Resume(k.Grant, time.Now().Add(k.left()))
	}
}

// whyNot says what a server that does not run waits for.
func (m *monitor) whyNot() (gossip.ServerState, string) {
	p := m.part
	switch reason := m.gate(); {
	case reason != "":
		return gossip.ServerStarting, reason
	case !p.tenant.Heard():
		return gossip.ServerStarting, "it waits for the word of a booster"
	case m.process.Reason != "":
		return gossip.ServerDown, bound("it waits for the word of a booster: " + m.process.Reason)
	default:
		return gossip.ServerStarting, "it waits for the word of a booster: the flow queue has to come to rest first"
	}
}
