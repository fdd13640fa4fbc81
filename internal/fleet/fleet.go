package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/proxy"
)

// How an agent is known to the booster.
const (
	// AgentNone is a server of the configuration, without an agent.
	AgentNone = "none"
	// AgentAlive is a server whose agent is a member of the cluster.
	AgentAlive = "alive"
	// AgentLost is a server whose agent is not.
	AgentLost = "lost"
)

// Static is a server of the configuration.
type Static struct {
	// Name, Address, Capacity, Weight and Backup as in balance.Spec.
	Name, Address    string
	Capacity, Weight int
	Backup           bool
	// Lead makes it the lead server, whatever SetLead says. One server may be it.
	Lead bool
}

// Agent is what an agent reports of its server.
type Agent struct {
	// Name, Address, Capacity and Weight as in balance.Spec.
	Name, Address    string
	Capacity, Weight int
	// Health is the agent's own view; Reason says why it is not Up.
	Health balance.Health
	Reason string
	// Lost is true when the agent is not a member any more.
	Lost bool
	// Release and Database are for the status.
	Release  uint64
	Database string
	// Managed is for the status, too: the agent runs the server's process.
	Managed bool
}

// Config is what a Fleet is told.
type Config struct {
	// Balance is handed to the Balancer.
	Balance balance.Config
	// Static are the servers of the configuration.
	Static []Static
	// Health are the checks of those.
	Health health.Config
	// Reach is the check that a server with an agent answers from here.
	Reach health.Config
	// Consistency says what becomes of a server that is behind. Default Strict.
	Consistency Consistency
	// Plain is true for servers that are no OMFLOW: none of them is the lead.
	Plain bool
	// DialTimeout and ResponseTimeout are handed to proxy.
	DialTimeout, ResponseTimeout time.Duration
	// Logger is told of servers that come and go. Required.
	Logger *slog.Logger
}

// Validate refuses what cannot work.
func (c Config) Validate() error {
	if c.Logger == nil {
		return errors.New("fleet: no logger")
	}
	if err := c.Balance.Validate(); err != nil {
		return err
	}
	if c.DialTimeout < 0 || c.ResponseTimeout < 0 {
		return errors.New("fleet: dial and response timeout must not be negative")
	}
	if int(c.Consistency) >= len(consistencyNames) {
		return fmt.Errorf("fleet: unknown consistency %d", c.Consistency)
	}
	seen := make(map[string]bool)
	lead := ""
	for _, s := range c.Static {
		if s.Lead && lead != "" {
			return fmt.Errorf("servers %s and %s are both said to be the lead: leave it to one of them", lead, s.Name)
		} else if s.Lead {
			lead = s.Name
		}
		if seen[s.Name] {
			return fmt.Errorf("two servers are named %s: give one of them another name", s.Name)
		}
		seen[s.Name] = true
		if err := s.spec().validate(); err != nil {
			return fmt.Errorf("server %q: %w", s.Name, err)
		}
	}
	if len(c.Static) > 0 {
		if err := c.Health.Validate(); err != nil {
			return err
		}
	}
	return c.Reach.Validate()
}

// Fleet is the servers of one front door.
type Fleet struct {
	balancer *balance.Balancer
	cancel   context.CancelFunc
	ctx      context.Context
	running  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	cfg     Config
	agents  []Agent
	marks   map[string]balance.Mark
	behind  map[string]string // why, by name
	given   string            // by SetLead
	lead    string            // the lead server's name, or ""
	members map[string]*member
	rounds  int // of checks that were begun
	// unusable are agents that can't be used, by name, with what is wrong: it is
	// logged once and not at each report.
	unusable map[string]string
}

// New returns a Fleet that watches its servers until Close.
func New(cfg Config) (*Fleet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b, err := balance.New(cfg.Balance, time.Now())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &Fleet{balancer: b, ctx: ctx, cancel: cancel, members: make(map[string]*member)}
	if err := f.Configure(cfg); err != nil {
		cancel()
		return nil, err
	}
	f.running.Go(f.tick)
	return f, nil
}

// Close stops the checks and closes the connections that are idle; those in use
// are closed after their exchange. Nothing can be changed afterwards. It may be
// called twice.
func (f *Fleet) Close() {
	f.mu.Lock()
	f.closed = true // no check begins from here on
	f.mu.Unlock()
	f.cancel()
	f.running.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		m.up.Close()
	}
}

// Balancer says which server takes a request.
func (f *Fleet) Balancer() *balance.Balancer { return f.balancer }

// Upstream returns the connections to a server that the Balancer chose.
func (f *Fleet) Upstream(s *balance.Server) *proxy.Upstream {
	return s.Value().(*proxy.Upstream)
}

func (f *Fleet) tick() {
	const (
		period     = 100 * time.Millisecond
		pruneEvery = 20 // periods
	)
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	stale := false
	for n := 1; ; n++ {
		select {
		case <-f.ctx.Done():
			return
		case now := <-ticker.C:
			f.balancer.Tick(now)
			if f.balancer.Stale() != stale {
				stale = !stale
				f.tellStale(stale)
			}
			if n%pruneEvery == 0 {
				f.prune(now)
			}
		}
	}
}

// tellStale logs that servers that are behind take requests, or don't any more.
func (f *Fleet) tellStale(stale bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if stale {
		f.cfg.Logger.Warn("servers that have not seen the newest control change take requests: no other is left")
	} else {
		f.cfg.Logger.Info("servers that have not seen the newest control change take no requests any more")
	}
}

func (f *Fleet) prune(now time.Time) {
	f.mu.Lock()
	ups := make([]*proxy.Upstream, 0, len(f.members))
	for _, m := range f.members {
		ups = append(ups, m.up)
	}
	f.mu.Unlock()
	for _, up := range ups {
		up.Prune(now)
	}
}

// Configure replaces the configuration. Servers that stay keep their state and
// their connections. On an error nothing has changed.
func (f *Fleet) Configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.balancer.Configure(cfg.Balance); err != nil {
		return err
	}
	before := f.cfg
	f.cfg = cfg
	err := f.apply()
	if err != nil {
		f.cfg = before
		err = errors.Join(err, f.balancer.Configure(before.Balance))
	}
	return err
}

// SetAgents replaces what the agents report. An agent whose report can't be used
// is logged and left out: it must not keep the others from being heard. On an
// error nothing has changed.
func (f *Fleet) SetAgents(agents []Agent) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Equal(f.agents, agents) {
		return nil
	}
	before := f.agents
	f.agents = slices.Clone(agents)
	err := f.apply()
	if err != nil {
		f.agents = before
	}
	return err
}

// SetMarks replaces the operators' marks, by server. Marks of servers that are not
// there yet hold as soon as they are.
func (f *Fleet) SetMarks(marks map[string]balance.Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.marks = maps.Clone(marks)
	f.applyMarks()
}

// SetMark changes one server's mark.
func (f *Fleet) SetMark(name string, mark balance.Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	marks := maps.Clone(f.marks)
	if marks == nil {
		marks = make(map[string]balance.Mark)
	}
	marks[name] = mark
	f.marks = marks
	f.applyMarks()
}

func (f *Fleet) applyMarks() {
	for name := range f.members {
		f.balancer.SetMark(time.Now(), name, f.marks[name])
	}
}

// Ready reports whether a server takes requests.
func (f *Fleet) Ready() bool { return f.balancer.Ready() }

// Names returns the servers' names, in the table's order.
func (f *Fleet) Names() []string {
	var names []string
	for _, s := range f.balancer.Servers() {
		names = append(names, s.Name)
	}
	return names
}
