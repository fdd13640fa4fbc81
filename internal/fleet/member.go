package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/proxy"
)

// member is one server of the fleet, guarded by Fleet.mu.
type member struct {
	spec   balance.Spec
	agent  *Agent // nil without one
	up     *proxy.Upstream
	proxy  proxy.Config // of up, without Dial
	checks health.Config

	watch  context.CancelFunc // ends the checks that run
	round  int                // tells the checks that run from earlier ones
	status health.Status      // what they say
	// refused is why requests could not be sent; until a check passes again.
	refused string
	told    balance.Health
}

// apply brings the table in line with configuration and reports. The caller holds
// f.mu.
func (f *Fleet) apply() error {
	if f.closed {
		return nil
	}
	next := make(map[string]*member)
	var specs []balance.Spec
	add := func(spec balance.Spec, checks health.Config) (*member, error) {
		m := &member{spec: spec, checks: checks, proxy: proxy.Config{
			Address: spec.Address, DialTimeout: f.cfg.DialTimeout, ResponseTimeout: f.cfg.ResponseTimeout,
		}}
		if old := f.members[spec.Name]; old != nil && old.spec.Address == spec.Address {
			m.status, m.refused, m.told = old.status, old.refused, old.told
			if reflect.DeepEqual(old.checks, checks) {
				m.watch, m.round = old.watch, old.round
			}
			if m.proxy.DialTimeout == old.proxy.DialTimeout && m.proxy.ResponseTimeout == old.proxy.ResponseTimeout {
				m.up = old.up
			}
		}
		if m.up == nil {
			up, err := proxy.NewUpstream(m.proxy)
			if err != nil {
				return nil, fmt.Errorf("server %s: %w", spec.Name, err)
			}
			m.up = up
		}
		m.spec.Value = m.up
		next[spec.Name] = m
		specs = append(specs, m.spec)
		return m, nil
	}
	for _, s := range f.cfg.Static {
		if _, err := add(balance.Spec(s.spec()), f.cfg.Health); err != nil {
			return err
		}
	}
	unusable := make(map[string]string)
	for _, a := range f.agents {
		spec := a.spec()
		err := spec.validate()
		if other := next[a.Name]; other != nil {
			err = errors.New("another agent reports a server of the same name")
			if other.agent == nil {
				err = errors.New("a server of the configuration has the same name")
			}
		}
		if err != nil {
			unusable[a.Name] = err.Error()
			if f.unusable[a.Name] != err.Error() {
				f.cfg.Logger.Warn("the server that an agent reports can't be used", "server", a.Name, "error", err)
			}
			continue
		}
		m, err := add(balance.Spec(spec), f.cfg.Reach)
		if err != nil {
			return err
		}
		m.agent = &a
	}
	if err := f.balancer.Update(time.Now(), specs); err != nil {
		return err
	}
	for name, old := range f.members {
		m := next[name]
		if m == nil || m.watch == nil {
			old.stop()
		}
		if m == nil || m.up != old.up {
			old.up.Close()
		}
		if m == nil {
			f.cfg.Logger.Info("server left the table", "server", name, "address", old.spec.Address)
		}
	}
	for name, m := range next {
		if f.members[name] == nil {
			f.cfg.Logger.Info("server joined the table", "server", name, "address", m.spec.Address,
				"capacity", m.spec.Capacity, "weight", m.spec.Weight)
		}
	}
	f.members, f.unusable = next, unusable
	for _, m := range next {
		if m.watch == nil {
			f.startWatch(m)
		}
		f.tell(m)
	}
	f.applyMarks()
	f.applyLead()
	f.applyBehind()
	return nil
}

// stop ends the checks that run.
func (m *member) stop() {
	if m.watch != nil {
		m.watch()
		m.watch = nil
	}
}

// startWatch runs the member's checks from the beginning. The caller holds f.mu.
func (f *Fleet) startWatch(m *member) {
	if f.closed {
		return
	}
	checks := m.checks
	checks.Startup = 0
	if m.status.Ready != health.Up {
		// Until the server has answered once it is asked often: its first answer
		// brings it up.
		checks.Startup = time.Minute
	}
	prober, err := health.New(checks)
	if err != nil { // Config.Validate has checked it
		f.cfg.Logger.Error("server can't be checked", "server", m.spec.Name, "error", err)
		return
	}
	ctx, cancel := context.WithCancel(f.ctx)
	f.rounds++
	m.round, m.watch = f.rounds, cancel
	name, round := m.spec.Name, m.round
	changes := prober.Run(ctx, m.spec.Address)
	f.running.Go(func() {
		for status := range changes {
			f.observe(name, round, status)
		}
	})
}

// observe takes a result of the checks.
func (f *Fleet) observe(name string, round int, status health.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[name]
	if m == nil || m.round != round {
		return
	}
	if m.status.Ready != health.Unknown && status.Ready == health.Unknown && status.Live != health.Down {
		return // checks that began anew at a reload have no verdict yet: the old one holds
	}
	m.status = status
	if status.Ready == health.Up {
		m.refused = ""
	}
	f.tell(m)
}

// wellOnce is the reason of a server that is down and has done well since, not yet often
// enough.
const wellOnce = "it has done well in its last check, and is checked again"

// view is what all that is known of the server comes to.
func (m *member) view() (balance.Health, string) {
	if a := m.agent; a != nil && !a.Lost && a.Health != balance.Up {
		return a.Health, a.Reason
	}
	switch {
	case m.refused != "":
		return balance.Down, m.refused
	case m.status.Live == health.Down:
		return balance.Down, cmp.Or(m.status.LiveReason, wellOnce)
	case m.status.Ready == health.Down:
		return balance.Down, cmp.Or(m.status.ReadyReason, wellOnce)
	case m.status.Ready == health.Up:
		return balance.Up, ""
	}
	if reason := m.status.LiveReason; reason != "" {
		return balance.Starting, "not up yet: " + reason
	}
	return balance.Starting, "not checked yet"
}

// tell hands the member's state to the balancer. The caller holds f.mu.
func (f *Fleet) tell(m *member) {
	state, reason := m.view()
	f.balancer.SetHealth(time.Now(), m.spec.Name, state, reason)
	if state == m.told {
		return
	}
	switch {
	case state == balance.Up:
		f.cfg.Logger.Info("server is up", "server", m.spec.Name, "address", m.spec.Address)
	case m.told == balance.Up:
		level := slog.LevelWarn
		if f.balancer.Away(m.spec.Name) {
			level = slog.LevelInfo // it is planned
		}
		f.cfg.Logger.Log(context.Background(), level, "server is down", "server", m.spec.Name, "address", m.spec.Address, "reason", reason)
		// What runs there and may be repeated is repeated elsewhere.
		m.up.Abort()
	case state == balance.Failed:
		f.cfg.Logger.Error("server has failed", "server", m.spec.Name, "address", m.spec.Address, "reason", reason)
	}
	m.told = state
}

// Failed tells that a request could not be exchanged with a server. A connection
// that was refused takes the server out at once.
func (f *Fleet) Failed(s *balance.Server, up *proxy.Upstream, err error) {
	var failed *proxy.Error
	if !errors.As(err, &failed) || errors.Is(err, context.Canceled) || errors.Is(err, proxy.ErrAborted) {
		return
	}
	if failed.Step != proxy.StepDial || !unreachable(err) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[s.Name()]
	if m == nil || m.up != up || m.refused != "" {
		return
	}
	m.refused = reasonOf(err)
	// The checks begin anew, so that the first answer brings the server back.
	m.stop()
	m.status = health.Status{}
	f.startWatch(m)
	f.tell(m)
}

// unreachable tells the errors of a server that is not there from those of one
// that is slow to accept.
func unreachable(err error) bool {
	return errors.Is(err, errRefused) || errors.Is(err, errNoHost) || errors.Is(err, errNoNetwork)
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, errRefused):
		return "connection refused"
	case errors.Is(err, errNoHost):
		return "host unreachable"
	default:
		return "network unreachable"
	}
}
