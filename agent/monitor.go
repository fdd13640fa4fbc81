package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/oracleexporter"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/supervise"
)

// closeMargin is added to stop_grace when the server is stopped for good: the
// supervisor keeps to stop_grace by itself.
const closeMargin = 5 * time.Second

// monitor is one server's goroutine and all that belongs to it.
type monitor struct {
	name   string
	dir    string            // state folder of the supervisor
	before []<-chan struct{} // closed when others have let go of the server's port

	cur     *settings // in force; nil before the first
	halfway bool      // later ones were refused after a part of them was put in force
	log     *slog.Logger

	sup      *supervise.Supervisor // nil until a command is to be run
	changes  <-chan supervise.Status
	unwatch  func()
	process  supervise.Status
	outdated bool          // the process runs another command than the configured
	acting   chan struct{} // closed when the stop, restart or replacement under way is over

	checks     health.Status
	results    <-chan health.Status // nil: nothing is asked
	stopChecks context.CancelFunc
	checked    time.Time // start of the process that is asked; zero: not ours
	lived      bool      // that process was live
	slow       int       // processes in a row that were replaced and had not been live

	part   *part     // nil for a server that no booster is asked about
	silent bool      // no booster answers
	data   *data     // nil for a server whose database is not looked at
	alike  *likeness // nil for a server that is no OMFLOW Server

	patch    *patching                     // nil for a server without a patch folder
	releases *atomic.Pointer[http.Handler] // answers for patch
	replica  *replicating                  // nil for a server of which no folder is replicated
	copies   *atomic.Pointer[http.Handler] // answers for replica

	exporter *exporter // nil for a server without Oracle's exporter
	readings *atomic.Pointer[oracleexporter.Reader]

	losses *losses // creates that processes have left unanswered

	told gossip.Report
	to   cluster
}

// run is the goroutine. When ctx is done it stops the server and returns.
func (m *monitor) run(ctx context.Context, ask <-chan func(*monitor)) error {
	for {
		var before <-chan struct{}
		if len(m.before) > 0 {
			before = m.before[0]
		}
		var answers <-chan func()
		var question <-chan time.Time
		if m.part != nil {
			answers, question = m.part.answers, m.part.timer.C
		}
		select {
		case <-ctx.Done():
			return m.close()
		case f := <-answers:
			f()
		case <-question:
			m.ask(ctx)
		case status := <-m.data.changed():
			m.database(status)
		case <-m.patchNews():
			m.askNow()
		case f := <-ask:
			f(m)
		case <-before:
			if m.before = m.before[1:]; len(m.before) == 0 {
				m.startProcess()
			}
		case status, ok := <-m.changes:
			if !ok {
				m.changes = nil
				continue
			}
			m.observe(status)
		case <-m.acting:
			m.acting = nil
			m.hear() // what came of it
			if m.sup != nil {
				m.observe(m.sup.State()) // before anything is decided on what was
			}
		case status, ok := <-m.results:
			if ok {
				if m.part != nil && status.Ready != m.checks.Ready {
					m.askNow()
				}
				if status.Ready == health.Up && m.checks.Ready != health.Up {
					m.data.lookForFlows() // the first server has just made them
				}
				m.checks = status
				if status.Live == health.Up {
					m.lived, m.slow = true, 0
				}
			} else {
				m.results = nil
			}
		}
		m.act(ctx)
		m.report()
	}
}

// apply puts settings in force.
func (m *monitor) apply(s *settings) error {
	former := m.cur
	open := former
	if m.halfway {
		open = nil // what is open is of settings that were refused
	}
	err := errors.Join(m.setPatch(open, s), m.setReplicate(open, s), m.setExporter(open, s))
	if err == nil && len(s.command) > 0 {
		err = m.configure(s) // last: it may have the server restarted
	}
	if m.halfway = err != nil; err != nil {
		return err
	}
	m.cur, m.log = s, s.log.With("server", m.name)
	if (s.home != "" || s.patch != nil) && m.part == nil {
		m.part = newPart()
	}
	if s.canLead() && (former == nil || !former.canLead()) && m.part.guard == nil {
		m.openGuard()
	}
	if former == nil || !sameSource(former.database, s.database) {
		m.data.close()
		if m.data = nil; s.database != nil {
			m.data = watchDatabase(*s.database, m.log)
		}
	}
	m.setLikeness(former, s)
	if m.to != s.to {
		m.to, m.told = s.to, gossip.Report{} // the new node knows nothing yet
	}
	switch {
	case !m.runs():
		if former == nil || len(former.command) > 0 || !former.sameChecks(s) {
			m.check(time.Time{})
		}
	case former != nil && !former.sameChecks(s) && m.results != nil:
		m.check(m.checked)
	}
	if m.runs() && len(m.before) == 0 {
		m.startProcess()
	}
	return nil
}

// runs tells whether the server's process is ours.
func (m *monitor) runs() bool { return m.cur != nil && len(m.cur.command) > 0 }

// configure makes or changes the supervisor.
func (m *monitor) configure(s *settings) (err error) {
	as := rollout.Follower
	if m.part != nil && m.part.as != "" {
		as = m.part.as
	}
	cfg := m.command(s, as)
	if m.sup != nil {
		m.outdated, err = m.sup.Configure(cfg)
		return err
	}
	if m.sup, err = supervise.New(cfg); err != nil {
		return err
	}
	m.changes, m.unwatch = m.sup.Changes()
	return nil
}

// command is how the server is run as the lead or a follower.
func (m *monitor) command(s *settings, as rollout.Part) supervise.Config {
	cfg := supervise.Config{
		Name: m.name, Command: s.command, Dir: s.home, StateDir: m.dir, StopGrace: s.grace, Logger: s.log,
		BackoffMin: s.backoff, BackoffMax: s.backoff,
	}
	if s.home != "" {
		// Python holds output back that goes to a file, up to 8 kB of it.
		cfg.Env = []string{"PYTHONUNBUFFERED=1"}
	}
	if m.part != nil {
		cfg.Stamp = m.part.stamp
	}
	if as == rollout.Lead {
		cfg.Env = append(cfg.Env, s.leadEnv...)
		cfg.Once = true // each life of the lead needs a grant of its own
	} else {
		cfg.Without = envNames(s.leadEnv) // the agent may have been started with them
	}
	return cfg
}

// startProcess starts the server, takes over one that still runs, or leaves the
// Fatal state. It does nothing to a process that runs.
func (m *monitor) startProcess() {
	if !m.runs() || m.outdated {
		return // an outdated process is restarted
	}
	if m.part != nil {
		// What it is run as, a booster says. One that runs already goes on.
		if m.part.as == "" {
			m.adopt()
		}
		if m.process.State != supervise.Fatal {
			return
		}
	}
	if err := m.sup.Start(); err != nil {
		m.log.Error("server could not be started", "error", err)
	}
	m.observe(m.sup.State())
}

// observe takes note of what became of the process and asks for its health
// while it runs.
func (m *monitor) observe(status supervise.Status) {
	former := m.process
	m.process = status
	if !m.runs() {
		return
	}
	if status.State != supervise.Running {
		m.endChecks()
		if m.part != nil && status.State != former.State {
			m.askNow()
		}
		return
	}
	if m.part != nil && m.part.as == rollout.Follower && status.PID != former.PID {
		m.remember()
		m.askNow()
	}
	if status.PID != former.PID {
		m.alike.started()
	}
	if m.results == nil || !m.checked.Equal(status.Since) {
		m.checks, m.lived = health.Status{}, false
		m.check(status.Since)
	}
}

// check begins to ask for the health of a process that was started at the given
// time, or of a server that is not ours. What was known stays until the first
// answer.
func (m *monitor) check(started time.Time) {
	known := m.checks
	m.endChecks()
	m.checks, m.checked = known, started
	cfg := m.cur.checks
	if !started.IsZero() {
		cfg.Startup = max(0, m.patience()-time.Since(started))
	}
	prober, err := health.New(cfg)
	if err != nil { // Validate has made sure
		m.log.Error("server cannot be checked", "error", err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.results, m.stopChecks = prober.Run(ctx, m.cur.server), cancel
}

// patience is how long a process may take until its live check counts: twice as long as
// the one before it that was replaced without ever having been live. Where a server starts
// slowly, killing it again and again would keep it from ever coming up.
func (m *monitor) patience() time.Duration { return m.cur.startup << min(m.slow, maxSlow) }

// replaced notes that the process is replaced because it hangs.
func (m *monitor) replaced() {
	if !m.lived {
		m.slow++
	}
}

// endChecks stops asking and forgets the answers.
func (m *monitor) endChecks() {
	if m.stopChecks != nil {
		m.stopChecks()
		for m.results != nil {
			if _, ok := <-m.results; !ok {
				break
			}
		}
		m.stopChecks = nil
	}
	m.results, m.checks, m.checked = nil, health.Status{}, time.Time{}
}

// act does what the process needs, one thing at a time.
func (m *monitor) act(ctx context.Context) {
	m.foresee()
	if m.acting != nil || len(m.before) > 0 {
		return
	}
	if !m.runs() {
		if m.sup == nil || m.process.State == supervise.Stopped {
			m.letGo(ctx)
			m.applyElsewhere(ctx)
		} else {
			m.log.Info("server is stopped: the configuration has no command for it any more")
			m.do("stop", func() error { return m.sup.Stop(ctx) })
		}
		return
	}
	if m.part != nil {
		m.play(ctx)
		return
	}
	if m.outdated {
		m.outdated = false
		m.log.Info("server is restarted: its command has changed")
		m.do("restart", func() error { return m.sup.Restart(ctx) })
		return
	}
	if replace, why := hung(m.process, m.checks, m.cur.checks.Live != nil); replace {
		m.log.Error("server is replaced", "pid", m.process.PID, "reason", why)
		m.replaced()
		m.do("replace", func() error { return m.sup.Replace(ctx, hungGrace, why) })
	}
}

// do runs what takes long beside the monitor.
func (m *monitor) do(what string, f func() error) {
	over := make(chan struct{})
	m.acting = over
	log := m.log
	go func() {
		defer close(over)
		if err := f(); err != nil {
			log.Warn("server: "+what+" did not go as planned", "error", err)
		}
	}()
}

// close stops the server, having told the boosters so that they send nothing
// more, and ends everything.
func (m *monitor) close() error {
	m.finish() // its context has ended
	m.endChecks()
	defer m.data.close()
	defer m.alike.close()
	defer m.endPatch()
	defer m.endReplicate()
	defer m.endExporter()
	if m.part != nil {
		m.part.timer.Stop()
		defer m.closeGuard()
	}
	if m.sup == nil {
		return nil // the server goes on without us, and the boosters check it too
	}
	r := m.cur.report
	r.State, r.Reason = gossip.ServerStopped, "its agent is being stopped and ends it"
	r.Managed = m.part != nil
	r.PID, r.Restarts = m.process.PID, m.process.Restarts
	m.tell(r)
	if err := extendStop(m.cur.grace + stopMargin); err != nil {
		m.log.Warn("the agent may be killed before its server has ended", "error", err)
	}
	m.unwatch()
	ctx, cancel := context.WithTimeout(context.Background(), m.cur.grace+closeMargin)
	defer cancel()
	if err := m.sup.Close(ctx); err != nil {
		return fmt.Errorf("server %s: %w", m.name, err)
	}
	m.retire()
	r.PID, r.Reason = 0, "its agent was stopped"
	m.tell(r)
	return nil
}
