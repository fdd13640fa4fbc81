package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/oracleexporter"
	"github.com/omflow/booster/internal/pair"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/trust"
)

// runners holds what outlives a reload: for each state folder and server name a
// *runner.
var runners = caddy.NewUsagePool()

var errEnded = errors.New("the agent has ended")

// settings are what one loaded configuration wants of a runner.
type settings struct {
	server  string
	command []string // none: the server is not ours to run
	home    string
	python  string     // reads settings.py in home
	keys    trust.Keys // of the cluster
	leadEnv []string   // only in the lead server's environment
	grace   time.Duration
	report  gossip.Report // what does not change from report to report
	checks  health.Config
	health  caddyconf.Health // what checks was made from, to compare
	startup time.Duration
	// database is where the server's database is, nil when it is not looked at.
	database *source
	// exporter is the page of Oracle's exporter, nil for none.
	exporter *OracleExporter
	backoff  time.Duration // between quick exits; tests only, 0 is supervise's default
	// patch is the folder that is kept the same on all servers, nil when there is none.
	patch     *Patch
	openPatch openPatch
	// replicate is the folder that is copied to the others all the time, "" for none.
	replicate string
	// slave: the server came from the cluster, and is not started before its files are
	// a release.
	slave bool
	// origin answers agents of new servers; nil when they can't take over from this one.
	origin http.Handler
	to     cluster
	log    *slog.Logger
}

// sameChecks tells whether what is asked, and whom, is the same.
func (s *settings) sameChecks(o *settings) bool {
	return s.server == o.server && s.health == o.health && (s.home == "") == (o.home == "")
}

// canLead tells whether the server can be run as the lead.
func (s *settings) canLead() bool { return len(s.command) > 0 && s.home != "" }

// sameLikeness tells whether what the other servers are held against is the same.
func (s *settings) sameLikeness(o *settings) bool {
	return s.home == o.home && s.python == o.python && s.keys.Equal(o.keys) && s.to == o.to
}

// runner is one server's monitor and the settings of those who use it: usually
// one configuration, two in the middle of a reload.
type runner struct {
	name   string
	server string // of the first settings, see predecessors
	ask    chan func(*monitor)
	cancel context.CancelFunc
	done   chan struct{} // closed when the monitor has ended
	err    error         // of the end; read after done

	// witness tells the boosters which of them it hears as the active one.
	witness *pair.Witness
	// releases answers for the patch folder; nil while there is none.
	releases atomic.Pointer[http.Handler]
	// copies answers for the replicated folder; nil while there is none.
	copies atomic.Pointer[http.Handler]
	// readings are of Oracle's exporter; nil while there is none.
	readings atomic.Pointer[oracleexporter.Reader]
	// losses are creates that processes have left unanswered.
	losses *losses

	mu     sync.Mutex
	wanted []*settings // the last is in force
}

// lease is one configuration's use of a runner.
type lease struct {
	key string
	r   *runner
	s   *settings
}

// begin puts settings in force, on a running runner if there is one.
func begin(stateDir, name string, s *settings) (*lease, error) {
	stateDir = filepath.Clean(stateDir)
	l := &lease{key: stateDir + "\x00" + name, s: s}
	before := predecessors(l.key, s.server)
	value, _, err := runners.LoadOrNew(l.key, func() (caddy.Destructor, error) {
		return newRunner(filepath.Join(serversDir(stateDir), name), name, s.server, before, formers(stateDir, name, s))
	})
	if err != nil {
		return nil, err
	}
	l.r = value.(*runner)
	if err := l.r.use(s); err != nil {
		return nil, errors.Join(err, l.end())
	}
	return l, nil
}

// end takes the settings back. Those before them are in force again, or the
// runner ends.
func (l *lease) end() error {
	l.r.drop(l.s)
	if _, err := runners.Delete(l.key); err != nil {
		return fmt.Errorf("stop server %s: %w", l.r.name, err)
	}
	return nil
}

// predecessors returns the ends of runners for the same address under another
// key. When a reload renames the server or moves its state, the old process has
// the port until the old configuration is stopped, which comes after the new
// one's start.
func predecessors(key, server string) (ends []<-chan struct{}) {
	runners.Range(func(k, value any) bool {
		if r, ok := value.(*runner); ok && k != key && r.server == server {
			ends = append(ends, r.done)
		}
		return true
	})
	return ends
}

// newRunner begins a runner, which starts no process before those before it, and those of
// former names, are gone.
func newRunner(dir, name, server string, before, former []<-chan struct{}) (*runner, error) {
	witness, err := pair.NewWitness(pair.WitnessConfig{Name: name})
	if err != nil {
		return nil, fmt.Errorf("make witness: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{
		name: name, server: server, witness: witness,
		ask: make(chan func(*monitor)), cancel: cancel, done: make(chan struct{}), losses: newLosses(),
	}
	m := &monitor{name: name, dir: dir, before: slices.Concat(before, former), releases: &r.releases, copies: &r.copies, readings: &r.readings, losses: r.losses}
	go func() {
		defer close(r.done)
		r.err = m.run(ctx, r.ask)
		for _, end := range former {
			<-end
		}
	}()
	return r, nil
}

// use adds settings and puts them in force.
func (r *runner) use(s *settings) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted = append(r.wanted, s)
	return r.apply(s)
}

// drop removes settings. If they were in force, those before them are again:
// Caddy has taken a reload back.
func (r *runner) drop(s *settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	inForce := r.wanted[len(r.wanted)-1] == s
	r.wanted = slices.DeleteFunc(r.wanted, func(w *settings) bool { return w == s })
	if !inForce || len(r.wanted) == 0 {
		return
	}
	last := r.wanted[len(r.wanted)-1]
	if err := r.apply(last); err != nil {
		last.log.Error("the former settings could not be put in force again", "server", r.name, "error", err)
	}
}

// apply hands settings to the monitor.
func (r *runner) apply(s *settings) (err error) {
	applied := make(chan struct{})
	select {
	case r.ask <- func(m *monitor) { defer close(applied); err = m.apply(s) }:
		<-applied
		return err
	case <-r.done:
		return errEnded
	}
}

// look has the monitor tell something, and reports false when it has ended.
func (r *runner) look(f func(*monitor)) bool {
	done := make(chan struct{})
	select {
	case r.ask <- func(m *monitor) { defer close(done); f(m) }:
		<-done
		return true
	case <-r.done:
		return false
	}
}

// Journal implements api.Agent.
func (r *runner) Journal(ctx context.Context, between bool) (rollout.Reading, error) {
	var d *data
	if !r.look(func(m *monitor) { d = m.data }) {
		return rollout.Reading{}, errEnded
	}
	if between {
		return d.unfinished(ctx)
	}
	return d.journal(ctx)
}

// Hears implements api.Agent.
func (r *runner) Hears() (hears bool) {
	r.look(func(m *monitor) { hears = m.part != nil && m.part.tenant.Hears(time.Now()) })
	return hears
}

// serveReleases answers what other nodes ask of the patch folder.
func (r *runner) serveReleases(w http.ResponseWriter, req *http.Request) {
	h := r.releases.Load()
	if h == nil {
		http.Error(w, "this agent has no patch folder", http.StatusNotFound)
		return
	}
	(*h).ServeHTTP(w, req)
}

// Destruct stops the server and returns when it is gone. Caddy's pool calls it
// when the last lease has ended.
func (r *runner) Destruct() error {
	r.cancel()
	<-r.done
	return r.err
}
