package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/front"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/omflow"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler is the front door to OMFLOW Servers: it spreads requests over those that
// are well, keeps sessions on their server, and queues what the servers can't take
// yet. It takes the servers that agents report and its own.
//
// It answers `/.well-known/omflow/live`, `…/ready` and `…/active` itself, for load
// balancers and monitors in front of it.
type Handler struct {
	// Servers without an agent.
	Servers []Server `json:"servers,omitempty"`

	// How the health of those is checked. Default: in OMFLOW's way; with profile
	// none by asking for `/`.
	Health *caddyconf.Health `json:"health,omitempty"`

	// How a server is chosen for a request that is not of a session: least_load,
	// round_robin, random_choose or first. Default: least_load.
	Policy string `json:"policy,omitempty"`

	// Paths that are put into a lane, whatever OMFLOW's own table says of them. The
	// first that matches counts.
	Lanes []Lane `json:"lanes,omitempty"`

	// omflow, none, or the path of a profile file: what is known of the servers' URLs
	// and answers, in JSON, as `booster omflow profile` prints the built-in one. none is
	// for servers that are no OMFLOW: then all requests are in one lane, GET and HEAD
	// are what may be repeated, and all requests are sticky. Default: omflow.
	Profile string `json:"profile,omitempty"`

	// Repairs that are not made: tokens, lost_creates, agree_get, history_files,
	// rest_cookies, lead, multipart_gate, pauses. Default: all are made that the profile
	// has.
	RepairsOff []string `json:"repairs_off,omitempty"`

	// What waits for a place on a server.
	Queue *Queue `json:"queue,omitempty"`

	// How sessions stay on their server.
	Sticky *Sticky `json:"sticky,omitempty"`

	// What is sent again when a server fails.
	Retry *Retry `json:"retry,omitempty"`

	// The largest request body, in bytes. Default: 64 MB.
	MaxBody int64 `json:"max_body,omitempty"`

	// How long a connection to a server may take. Default: 2s.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`

	// How long a server may be silent while its answer, or more of it, is waited
	// for. Default: 120s.
	ResponseTimeout caddy.Duration `json:"response_timeout,omitempty"`

	// Control changes (a deployed flow, a parameter, a schedule) that come this close
	// together make one refresh of the other servers. Default: 3s.
	ControlSettle caddy.Duration `json:"control_settle,omitempty"`

	// strict, or eventual: whether a server that has not seen the newest control
	// change gets requests before it was refreshed. Default: strict, it gets none.
	Consistency string `json:"consistency,omitempty"`

	// Changes to the header fields of requests, as they go to the servers, and of
	// all answers, those of the booster itself included.
	Headers *headers.Handler `json:"headers,omitempty"`

	app   *App
	table *omflow.Table
	pool  *pool // not nil while the handler has a reference to it
	front *front.Front
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.omflow_booster",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision finds the pool of servers and sets up the front door.
func (h *Handler) Provision(ctx caddy.Context) error {
	if h.Profile == "" {
		h.Profile = profileOMFLOW
	}
	if err := h.check(); err != nil {
		return fmt.Errorf("omflow_booster: %w", err)
	}
	var err error
	if h.table, err = h.newTable(); err != nil {
		return fmt.Errorf("omflow_booster: %w", err)
	}
	app, err := ctx.App("omflow")
	if err != nil {
		return err
	}
	h.app = app.(*App)
	if h.app.agent != nil {
		return fmt.Errorf("omflow_booster: %w", errAgentsFrontDoor)
	}
	if h.Headers != nil {
		if err := errors.Join(h.Headers.Validate(), h.Headers.Provision(ctx)); err != nil {
			return fmt.Errorf("omflow_booster: headers: %w", err)
		}
	}
	cfg, err := h.poolConfig()
	if err != nil {
		return fmt.Errorf("omflow_booster: %w", err)
	}
	cfg.fleet.Logger = ctx.Slogger()
	if err := h.checkServers(h.app.configured); err != nil {
		return fmt.Errorf("omflow_booster: %w", err)
	}
	key := omflowPool
	if h.isPlain() {
		var addresses []string
		for _, s := range h.Servers {
			addresses = append(addresses, s.Address)
		}
		slices.Sort(addresses)
		key = plainPool + strings.Join(addresses, " ")
	}
	if h.pool, err = h.app.usePool(key, cfg); err != nil {
		return fmt.Errorf("omflow_booster: %w", err)
	}
	if err := h.pool.metrics.register(ctx.GetMetricsRegistry(), h.pool.fleet); err != nil {
		return fmt.Errorf("omflow_booster: metrics: %w", err)
	}
	h.app.doors.watch(ctx)
	h.app.watchVirtualIP(ctx)
	return h.provisionFront(ctx)
}

func (h *Handler) isPlain() bool { return h.Profile == profileNone }

func (h *Handler) provisionFront(ctx caddy.Context) error {
	keys, err := h.app.stickyKeys()
	if err != nil {
		return fmt.Errorf("omflow_booster: %w", err)
	}
	cfg := front.Config{
		Fleet: h.pool.fleet, Table: h.table, Plain: h.isPlain(), Keys: keys, Retries: h.pool.retries,
		MaxBody: h.MaxBody, Active: h.app.active, Logger: ctx.Slogger(),
		ResponseTimeout: time.Duration(h.ResponseTimeout), DialTimeout: time.Duration(h.DialTimeout),
	}
	if !h.isPlain() {
		cfg.Tokens, cfg.Files, cfg.Flows = h.pool.tokens, h.pool.files, h.pool.flows.Load
		cfg.TakeTurn = h.app.takeTurn
		cfg.Owners, cfg.Created, cfg.Seek = h.pool.owners, h.pool.created, h.app.seekCreate
		cfg.Controlled = func(string) { h.app.controlled(h.pool.fleet) }
	}
	if h.Queue != nil {
		cfg.QueueWait = time.Duration(h.Queue.Wait)
	}
	if h.Sticky != nil {
		cfg.Cookie, cfg.Idle, cfg.MaxAge = h.Sticky.Cookie, time.Duration(h.Sticky.Idle), time.Duration(h.Sticky.MaxAge)
	}
	if h.Retry != nil {
		cfg.Attempts = h.Retry.Attempts
	}
	if h.front, err = front.New(cfg); err != nil {
		return fmt.Errorf("omflow_booster: %w", err)
	}
	return nil
}

// poolConfig is the part of the settings that belongs to the servers.
func (h *Handler) poolConfig() (poolConfig, error) {
	policy, err := balance.ParsePolicy(h.Policy)
	if err != nil {
		return poolConfig{}, err
	}
	consistency, err := fleet.ParseConsistency(h.Consistency)
	if err != nil {
		return poolConfig{}, err
	}
	text := poolText{
		Profile: h.Profile, RepairsOff: h.RepairsOff, ControlSettle: time.Duration(h.ControlSettle), Consistency: h.Consistency,
		Servers: h.Servers, Health: h.Health, Policy: h.Policy, Budget: front.DefaultRetryBudget,
		DialTimeout: time.Duration(h.DialTimeout), ResponseTimeout: time.Duration(h.ResponseTimeout),
	}
	if h.isPlain() {
		text.OnDrain = plainOnDrain
	}
	if h.Queue != nil {
		text.QueueLength = h.Queue.Length
	}
	if h.Sticky != nil && h.Sticky.OnDrain != nil {
		text.OnDrain = time.Duration(*h.Sticky.OnDrain)
	}
	if h.Retry != nil && h.Retry.BudgetPercent != nil {
		text.Budget = *h.Retry.BudgetPercent
	}
	return poolConfig{text: text, budget: text.Budget, pauses: h.table.Repairs().Pauses, fleet: fleet.Config{
		Balance: balance.Config{Policy: policy, QueueLength: text.QueueLength, OnDrain: text.OnDrain},
		Static:  h.static(), Health: h.checks(), Reach: h.reach(),
		DialTimeout: text.DialTimeout, ResponseTimeout: text.ResponseTimeout,
		Consistency: consistency, Plain: !h.table.Repairs().Lead,
	}}, nil
}

func (h *Handler) static() []fleet.Static {
	var out []fleet.Static
	for _, s := range h.Servers {
		st := fleet.Static{Name: s.name(), Address: s.Address, Capacity: s.Capacity, Weight: s.Weight, Backup: s.Backup, Lead: s.Lead}
		if st.Capacity == 0 {
			st.Capacity = omflowCapacity
			if h.isPlain() {
				st.Capacity = balance.Unlimited
			}
		}
		if st.Weight == 0 {
			st.Weight = defaultWeight
		}
		out = append(out, st)
	}
	return out
}

// checks are those of the servers without an agent.
func (h *Handler) checks() health.Config {
	var table *omflow.Table
	if !h.isPlain() {
		table = h.table
	}
	cfg := h.Health.ConfigOf(table)
	if cfg.Live == nil && cfg.Ready == nil {
		cfg.Live = &health.Check{URI: "/"}
	}
	return cfg
}

// reach is the check that a server with an agent answers from here: any answer
// will do, its agent knows what a good one is.
func (h *Handler) reach() health.Config {
	cfg := h.checks()
	uri := "/"
	if cfg.Live != nil {
		uri = cfg.Live.URI
	}
	cfg.Live = &health.Check{URI: uri, Judge: func(int, []byte) error { return nil }}
	cfg.Ready = nil
	return cfg
}

// Cleanup drops the handler's reference to its pool.
func (h *Handler) Cleanup() error {
	if h.pool == nil {
		return nil
	}
	_, err := pools.Delete(h.pool.key)
	return err
}

// ServeHTTP serves a request. It never calls the next handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	return h.serve(w, r)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
