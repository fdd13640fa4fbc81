package caddymodule

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/trust"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App makes this process a node of an OMFLOW Booster cluster: a booster, which is
// the front door, or an agent, which runs beside an OMFLOW Server. Without it an
// omflow_booster handler works on its own servers alone and no port is opened.
type App struct {
	// The node's name, unique in the cluster. An agent's name is its server's
	// name. Default: the host name.
	Name string `json:"name,omitempty"`

	// Where other nodes are listened for, TCP and UDP. Default: `:5169`.
	Listen string `json:"listen,omitempty"`

	// Where others reach this node. Default: found from `listen` and the way to
	// the first of `join`.
	Advertise string `json:"advertise,omitempty"`

	// The cluster key, as `booster omflow keygen` makes it, perhaps followed by
	// older ones: the first is used, all are accepted. Placeholders are allowed.
	// It may be missing only if listen, advertise and join are loopback addresses.
	Key []string `json:"key,omitempty"`

	// The boosters, host:port, primary first. Names are looked up again at each
	// attempt. Default: an agent beside an OMFLOW Server has those of settings.py,
	// BOOSTER_IP, BOOSTER_PORT, SECOND_BOOSTER_IP and SECOND_BOOSTER_PORT, as they are
	// when the configuration is loaded.
	Join []string `json:"join,omitempty"`

	// Where the node keeps what must survive a restart. Default: Caddy's data
	// folder with `omflow` after it.
	StateDir string `json:"state_dir,omitempty"`

	// Settings of a booster. A node without `agent` is a booster also without them.
	Booster *Booster `json:"booster,omitempty"`

	// Makes this node an agent; see the module omflow.agent.
	AgentRaw json.RawMessage `json:"agent,omitempty"`

	// configured tells an app that is in the configuration from one that Caddy made
	// because a handler asked for it.
	configured bool
	agent      agent
	keys       trust.Keys
	log        *slog.Logger

	// use is this configuration's use of the node, from Start to Stop. node is the
	// same node for requests, which may come before and after.
	use    *nodeUse
	node   atomic.Pointer[gossip.Node]
	unhook []func()

	ctx   caddy.Context
	doors doors

	mu      sync.Mutex // guards what handlers register while they are provisioned
	pools   map[string]*poolUse
	watched map[*caddyhttp.Server]bool // see watchVirtualIP
}

// defaultListen has gossip.DefaultPort.
const defaultListen = ":5169"

// agent is the module omflow.agent. Package agent registers it; this package does
// not import that one.
type agent interface {
	// Boosters returns the boosters, host:port, that the server's own settings name,
	// and the file that does. That it names none is an error.
	Boosters(context.Context) (addresses []string, from string, err error)
	Start(node *gossip.Node, keys trust.Keys, stateDir, name string) error
	Stop() error
}

var (
	errTwoKinds        = errors.New("a node is a booster or an agent: put the two blocks into the configurations of two processes")
	errAgentsFrontDoor = errors.New("this node is an agent: serve the front door from a booster's configuration")
)

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "omflow",
		New: func() caddy.Module { return new(App) },
	}
}

// UnmarshalJSON notes that the app is configured.
func (a *App) UnmarshalJSON(text []byte) error {
	type fields App
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode((*fields)(a)); err != nil {
		return err
	}
	a.configured = true
	return nil
}

// Provision fills in the defaults and loads the agent.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.log = ctx, ctx.Slogger()
	a.pools = make(map[string]*poolUse)
	if a.AgentRaw == nil { // an agent has no clients
		if err := errors.Join(a.hookEvents(ctx), a.announceSuccessor(ctx)); err != nil {
			return fmt.Errorf("omflow: %w", err)
		}
	}
	if !a.configured {
		return nil
	}
	if a.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("omflow: find the host name: %w; write name", err)
		}
		a.Name = host
	}
	if a.Listen == "" {
		a.Listen = defaultListen
	}
	if a.StateDir == "" {
		a.StateDir = filepath.Join(caddy.AppDataDir(), "omflow")
	}
	if a.AgentRaw == nil {
		if err := a.readKeys(); err != nil {
			return err
		}
		registry := ctx.GetMetricsRegistry()
		if err := errors.Join(registerReleases(registry), registerOracle(registry), registerPair(registry), registerCluster(registry), registerLead(registry)); err != nil {
			return fmt.Errorf("omflow: %w", err)
		}
		return nil
	}
	mod, err := ctx.LoadModuleByID("omflow.agent", a.AgentRaw)
	if err != nil {
		return fmt.Errorf("omflow: load agent: %w", err)
	}
	loaded, ok := mod.(agent)
	if !ok {
		return fmt.Errorf("omflow: module omflow.agent is a %T, which is no agent", mod)
	}
	a.agent = loaded
	a.AgentRaw = nil
	if err := a.joinFromSettings(ctx); err != nil {
		return fmt.Errorf("omflow: %w", err)
	}
	return a.readKeys()
}

func (a *App) readKeys() error {
	repl := caddy.NewReplacer()
	var secrets []string
	for _, key := range a.Key {
		if key = repl.ReplaceKnown(key, ""); key != "" {
			secrets = append(secrets, key)
		}
	}
	if len(secrets) == 0 && len(a.Key) > 0 {
		// As from a variable that is not set: it was never left out on purpose.
		return fmt.Errorf("omflow: key is missing: what is written for it, %q, is empty here: put a secret of `booster omflow keygen` there, the same on all nodes", a.Key)
	}
	if len(secrets) == 0 {
		if err := a.keyMissing(); err != nil {
			return fmt.Errorf("omflow: %w", err)
		}
		a.keys = trust.Loopback()
		return nil
	}
	keys, err := trust.Parse(secrets)
	if err != nil {
		return fmt.Errorf("omflow: key: %w", err)
	}
	a.keys = keys
	return nil
}

// keyMissing says why a node without a key can't do without it, if it can't.
func (a *App) keyMissing() error {
	addresses := append([]string{cmp.Or(a.Listen, defaultListen)}, a.Join...)
	if a.Advertise != "" {
		addresses = append(addresses, a.Advertise)
	}
	if trust.AllLoopback(addresses...) {
		return nil
	}
	return fmt.Errorf("key is missing, and %s can be reached from other machines: make one with `booster omflow keygen` and write `key <secret>` on all nodes, or listen on a loopback address", strings.Join(addresses, ", "))
}

// Validate refuses what cannot work, and says what to write instead.
func (a *App) Validate() error {
	if !a.configured {
		return nil
	}
	if a.agent != nil && a.Booster != nil {
		return fmt.Errorf("omflow: %w", errTwoKinds)
	}
	if err := a.roleMissing(); err != nil {
		return fmt.Errorf("omflow: %w", err)
	}
	if a.Booster != nil {
		switch a.Booster.Role {
		case "", rolePrimary, roleSecondary:
		default:
			return fmt.Errorf("omflow: booster: role %q: write primary or secondary", a.Booster.Role)
		}
	}
	if err := a.Booster.validate(); err != nil {
		return fmt.Errorf("omflow: booster: %w", err)
	}
	if err := a.nodeConfig().Validate(); err != nil {
		return fmt.Errorf("omflow: %w", err)
	}
	return nil
}

func (a *App) nodeConfig() gossip.Config {
	kind := gossip.KindBooster
	if a.agent != nil {
		kind = gossip.KindAgent
	}
	return gossip.Config{
		Name: a.Name, Kind: kind, Version: version(), Listen: a.Listen, Advertise: a.Advertise, Join: a.Join,
		Keys: a.keys, StateDir: a.StateDir, Logger: a.log,
	}
}

// Start joins the cluster, puts the pools to work and starts the agent.
func (a *App) Start() error {
	if err := a.start(); err != nil {
		return errors.Join(fmt.Errorf("omflow: %w", err), a.Stop())
	}
	return nil
}

func (a *App) start() error {
	if a.configured {
		use, err := useNode(nodeConfig{gossip: a.nodeConfig(), pair: a.pairConfig(), other: a.otherBooster() != ""})
		if err != nil {
			return err
		}
		a.use = use
		a.node.Store(use.shared.node)
	}
	if err := a.startPools(); err != nil {
		return err
	}
	if a.agent != nil {
		return a.agent.Start(a.node.Load(), a.keys, a.StateDir, a.Name)
	}
	return nil
}

// Stop ends this configuration's part: what the next one has taken over goes on,
// and what the one before it had is in force again if Caddy goes back to that.
func (a *App) Stop() error {
	var errs []error
	if a.agent != nil {
		errs = append(errs, a.agent.Stop())
	}
	a.unhookPools()
	if a.use != nil {
		if p := a.use.shared.pair; p != nil {
			p.door.leave(a)
		}
		a.node.Store(nil)
		errs = append(errs, a.use.end())
		a.use = nil
	}
	// After the node: a configuration that goes on without one forgets then what the
	// cluster has said last.
	return errors.Join(append(errs, a.stopPools())...)
}

// active reports whether this booster is the active one. Requests call it, also
// those that came before Start or are still running after Stop.
func (a *App) active() bool {
	if !a.configured {
		return true
	}
	if node := runningNode(); node != nil {
		return node.active()
	}
	return a.Booster == nil || a.Booster.Role == ""
}

// controlled notes that a control request was carried out, or may have been: the
// servers are to be refreshed. Requests call it, see active.
func (a *App) controlled(f *fleet.Fleet) {
	if !a.configured {
		return
	}
	if node := runningNode(); node != nil && node.conductor != nil {
		node.conductor.changed(f)
	}
}

// stickyKeys makes the keys of the sticky cookies from the cluster key, so that
// both boosters read each other's; without a cluster they are the process's own.
func (a *App) stickyKeys() (*balance.StickyKeys, error) {
	if !a.configured {
		return balance.NewStickyKeys([][]byte{ownSecret()})
	}
	return balance.NewStickyKeys(a.keys.Cookie())
}

// Interface guards
var (
	_ caddy.App         = (*App)(nil)
	_ caddy.Provisioner = (*App)(nil)
	_ caddy.Validator   = (*App)(nil)
)
