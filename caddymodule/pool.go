package caddymodule

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/front"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/omflow/token"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/rollout/owners"
)

// omflowPool is the key of the pool that all handlers with OMFLOW's profile share.
const omflowPool = "omflow"

// plainPool begins the keys of the others; the addresses of their servers follow.
const plainPool = "none "

// pools keeps the servers, their queue and counters over reloads.
var pools = caddy.NewUsagePool()

// pool is the servers behind one or more handlers.
type pool struct {
	key     string
	fleet   *fleet.Fleet
	retries *balance.RetryBudget
	metrics *metrics
	// tokens makes REST tokens good on all servers of OMFLOW's pool.
	tokens *token.Broker
	// files keeps attachments of one flow apart.
	files *front.FileGate
	// flows are the deployed flows, nil while none are known.
	flows atomic.Pointer[flows.Directory]
	// owners is which server got which ticket.
	owners *owners.Book
	// created are creates on their way, and what they were answered.
	created *created.Book
	inForce[poolConfig]

	// requests is how many are on their way, less closing when no configuration has
	// the pool any more.
	requests atomic.Int64
	closed   sync.Once
}

// closing is more than requests can be.
const closing = 1 << 62

// enter and leave enclose a request: Caddy does not wait for requests in flight when
// it reloads.
func (p *pool) enter() { p.requests.Add(1) }

func (p *pool) leave() { p.closeAfter(-1) }

// Destruct ends the checks and closes the connections, when the last request has
// ended. Caddy's pool calls it when no configuration has the servers any more.
func (p *pool) Destruct() error {
	p.closeAfter(-closing)
	return nil
}

func (p *pool) closeAfter(n int64) {
	if p.requests.Add(n) == -closing {
		p.closed.Do(p.fleet.Close) // one that came late may have been the last once more
	}
}

// poolConfig is what all handlers of one pool must agree on.
type poolConfig struct {
	fleet  fleet.Config
	budget float64
	// clustered is true where agents report servers.
	clustered bool
	// pauses is true where tickets that may pause go to the lead server.
	pauses bool
	// text is the part of the handlers' JSON that it comes from, to compare.
	text poolText
}

// poolText is the settings of a handler that belong to its pool, with the names
// that they have in the Caddyfile.
type poolText struct {
	Servers         []Server      `option:"server"`
	Health          any           `option:"health"`
	Policy          string        `option:"policy"`
	Profile         string        `option:"profile"`
	RepairsOff      []string      `option:"repairs_off"`
	QueueLength     int           `option:"queue"`
	OnDrain         time.Duration `option:"on_drain"`
	Budget          float64       `option:"budget"`
	DialTimeout     time.Duration `option:"dial_timeout"`
	ResponseTimeout time.Duration `option:"response_timeout"`
	ControlSettle   time.Duration `option:"control_settle"`
	Consistency     string        `option:"consistency"`
}

// differs returns the first option in which two handlers differ, or "".
func (t poolText) differs(o poolText) string {
	mine, other := reflect.ValueOf(t), reflect.ValueOf(o)
	for i := range mine.NumField() {
		if !reflect.DeepEqual(mine.Field(i).Interface(), other.Field(i).Interface()) {
			return mine.Type().Field(i).Tag.Get("option")
		}
	}
	return ""
}

// poolUse is one configuration's use of a pool, from Start to Stop. What keeps the
// pool itself are the handlers, from Provision to Cleanup.
type poolUse struct {
	pool *pool
	cfg  poolConfig
	want *want[poolConfig] // nil before Start
}

// usePool returns the pool of that key for a handler that is being provisioned,
// with a reference that the handler must give back with pools.Delete. An error
// leaves no reference.
func (a *App) usePool(key string, cfg poolConfig) (*pool, error) {
	if err := cfg.fleet.Validate(); err != nil {
		return nil, err
	}
	cfg.clustered = a.configured && key == omflowPool
	a.mu.Lock()
	defer a.mu.Unlock()
	use := a.pools[key]
	if use != nil {
		if option := use.cfg.text.differs(cfg.text); option != "" {
			return nil, fmt.Errorf("%s is not the same in all omflow_booster blocks: they share their servers and the queue, so write server, health, policy, profile, repairs_off, queue length, on_drain, budget, timeouts, control_settle and consistency once in a snippet and import it", option)
		}
	}
	value, _, err := pools.LoadOrNew(key, func() (caddy.Destructor, error) { return newPool(key, cfg) })
	if err != nil {
		return nil, err
	}
	if use == nil {
		use = &poolUse{pool: value.(*pool), cfg: cfg}
		a.pools[key] = use
	}
	return use.pool, nil
}

// newPool makes a pool that has no servers until a configuration starts, so that
// one that is only validated asks nobody for their health.
func newPool(key string, cfg poolConfig) (*pool, error) {
	empty := cfg.fleet
	empty.Static = nil
	f, err := fleet.New(empty)
	if err != nil {
		return nil, err
	}
	p := &pool{key: key, fleet: f, retries: balance.NewRetryBudget(cfg.budget), metrics: newMetrics(key), tokens: new(token.Broker), owners: owners.New(), created: created.NewBook(), files: front.NewFileGate()}
	p.put = func(cfg poolConfig) error {
		if err := f.Configure(cfg.fleet); err != nil {
			return err
		}
		p.retries.SetPercent(cfg.budget)
		switch node := runningNode(); {
		case cfg.clustered && node != nil && node.conductor != nil:
			node.conductor.coordinator.SetSettle(cmp.Or(cfg.text.ControlSettle, rollout.DefaultSettle))
			node.conductor.repeat()
		case !cfg.clustered && node == nil:
			return forgetCluster(f)
		}
		return nil
	}
	return p, nil
}

// forgetCluster takes back what a cluster has said of the servers that is there no more:
// nobody would tell when it is over. What operators have marked stays.
func forgetCluster(f *fleet.Fleet) error {
	err := f.SetAgents(nil)
	f.SetLead("")
	f.SetBehind(nil)
	f.SetOut(nil)
	f.SetHold(false)
	return err
}

// ownSecret signs sticky cookies where there is no cluster key. It is the process's,
// so that cookies outlive a reload that changes the servers.
var ownSecret = sync.OnceValue(func() []byte {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	return secret
})

// startPools puts this configuration's settings in force, and feeds OMFLOW's pool
// from the cluster.
func (a *App) startPools() error {
	for _, use := range a.pools {
		want, err := use.pool.use(use.cfg)
		if err != nil {
			return err
		}
		use.want = want
		if use.cfg.clustered {
			a.unhook = append(a.unhook, join(a.node.Load(), use.pool.fleet, a.log))
		}
	}
	return nil
}

// unhookPools ends the feeding of OMFLOW's pool from the cluster.
func (a *App) unhookPools() {
	for _, unhook := range a.unhook {
		unhook()
	}
	a.unhook = nil
}

// stopPools takes this configuration's settings back. The pools go on: requests may
// still be on their way, and Cleanup comes later.
func (a *App) stopPools() error {
	var errs []error
	for _, use := range a.pools {
		if use.want != nil {
			errs = append(errs, use.pool.drop(use.want))
			use.want = nil
		}
	}
	return errors.Join(errs...)
}
