package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/omflow"
)

// djangoCookies are those of OMFLOW Server. A sticky cookie of such a name would be taken
// out of each request before the server sees it.
var djangoCookies = []string{"sessionid", "csrftoken"}

// Server is a server without an agent.
type Server struct {
	// Where requests are sent, host:port. Required.
	Address string `json:"address"`

	// The server's name in the status, metrics and commands. Default: the address.
	Name string `json:"name,omitempty"`

	// How many requests at once it is given. Default: 8; with profile none without
	// limit.
	Capacity int `json:"capacity,omitempty"`

	// Its share beside others of the same capacity, 1 to 10000. Default: 100.
	Weight int `json:"weight,omitempty"`

	// Used only when no other server is up.
	Backup bool `json:"backup,omitempty"`

	// The lead server: the one that runs schedules, and takes the requests that
	// change a server's memory or disk. Start only this one with RUN_MAIN=true.
	// Default: the server that the boosters choose among those with agents; without
	// agents the first one.
	Lead bool `json:"lead,omitempty"`
}

// Lane puts requests into a lane by their path.
type Lane struct {
	// session, flow, control, file or static.
	Lane string `json:"lane"`

	// A star stands for anything: at the beginning or the end of a path for nothing
	// too. Case matters, a slash at the end does not.
	Paths []string `json:"paths"`
}

func (l Lane) addTo(table *omflow.Table) error {
	lane, err := balance.ParseLane(l.Lane)
	if err != nil {
		return err
	}
	if err := table.Add(lane, l.Paths...); err != nil {
		return fmt.Errorf("lane: %w", err)
	}
	return nil
}

// Queue bounds what waits.
type Queue struct {
	// How many requests of one lane may wait. Default: 4096.
	Length int `json:"length,omitempty"`

	// How long a request may wait. Default: 30s.
	Wait caddy.Duration `json:"wait,omitempty"`
}

// Sticky says how sessions stay on their server.
type Sticky struct {
	// The cookie's name. Default: omflow_server.
	Cookie string `json:"cookie,omitempty"`

	// After how long without a request a session may go to another server.
	// Default: 30m.
	Idle caddy.Duration `json:"idle,omitempty"`

	// After how long it is placed anew in any case. Default: 12h.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// How long a session stays on a server that drains. OMFLOW's sessions are in
	// its database, so that nothing is lost by moving at once. Default: 0; with
	// profile none 60s.
	OnDrain *caddy.Duration `json:"on_drain,omitempty"`
}

// Retry says what is sent again.
type Retry struct {
	// How many times a request is sent at most. Default: 3.
	Attempts int `json:"attempts,omitempty"`

	// How many requests that were written to a server before may be sent again, for
	// each 100 requests. Ten a second are always allowed; 0 allows none. Default: 20.
	BudgetPercent *float64 `json:"budget_percent,omitempty"`
}

const (
	profileOMFLOW = "omflow"
	profileNone   = "none"

	maxQueue    = 1 << 20
	maxAttempts = 5

	defaultWeight  = 100
	plainOnDrain   = 60 * time.Second
	omflowCapacity = 8
)

// serverName is what can be named in a URL's path, a table, a metric and a mark.
var serverName = regexp.MustCompile(`^[A-Za-z0-9._:%\[\]-]{1,100}$`)

// check refuses what cannot work, and says what to write instead.
func (h *Handler) check() error {
	if h.isPlain() && len(h.Lanes) > 0 {
		return errors.New("lane: with profile none all requests are in one lane: remove it")
	}
	for i, s := range h.Servers {
		if err := cmp.Or(s.check(), s.clashes(h.Servers[:i])); err != nil {
			return err
		}
	}
	if err := h.Health.Validate(!h.isPlain()); err != nil {
		return err
	}
	if h.MaxBody < 0 || h.DialTimeout < 0 || h.ResponseTimeout < 0 || h.ControlSettle < 0 {
		return errors.New("max_body, dial_timeout, response_timeout and control_settle must not be negative")
	}
	if h.isPlain() && (h.ControlSettle != 0 || h.Consistency != "") {
		return errors.New("control_settle and consistency: with profile none there are no control changes: remove them")
	}
	if q := h.Queue; q != nil && (q.Length < 0 || q.Length > maxQueue || q.Wait < 0) {
		return fmt.Errorf("queue: write a length from 1 to %d and a time to wait, as in `queue 4096 30s`", maxQueue)
	}
	if s := h.Sticky; s != nil && slices.Contains(djangoCookies, s.Cookie) {
		return fmt.Errorf("sticky: cookie %s is OMFLOW Server's own: write another name", s.Cookie)
	}
	if s := h.Sticky; s != nil && s.Cookie != "" && (&http.Cookie{Name: s.Cookie, Value: "x"}).Valid() != nil {
		return fmt.Errorf("sticky: cookie %q: write a name of letters, digits, hyphens and underscores", s.Cookie)
	}
	if s := h.Sticky; s != nil && (s.Idle < 0 || s.MaxAge < 0 || s.OnDrain != nil && *s.OnDrain < 0) {
		return errors.New("sticky: idle, max_age and on_drain must not be negative")
	}
	if r := h.Retry; r != nil {
		if r.Attempts < 0 || r.Attempts > maxAttempts {
			return fmt.Errorf("retry: attempts %d: write a number from 1 to %d", r.Attempts, maxAttempts)
		}
		if b := r.BudgetPercent; b != nil && (*b < 0 || *b > 100) {
			return fmt.Errorf("retry: budget %g%%: write a share from 0%% to 100%%", *b)
		}
	}
	table, err := h.newTable()
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(h.Servers, func(s Server) bool { return s.Lead }); i >= 0 && !table.Repairs().Lead {
		return fmt.Errorf("server %s: lead: no server is the lead with this profile or repairs_off: remove lead", h.Servers[i].Address)
	}
	return nil
}

// checkServers refuses a front door that can never have a server.
func (h *Handler) checkServers(inCluster bool) error {
	switch {
	case len(h.Servers) > 0:
		return nil
	case h.isPlain():
		return errors.New("profile none needs servers of its own: write `server <host:port>`")
	case !inCluster:
		return errors.New("there are no servers: write `server <host:port>`, or a global omflow block for servers with agents")
	}
	return nil
}

// clashes refuses a server that can't be told from one of the others, or is one of them.
func (s Server) clashes(others []Server) error {
	for _, other := range others {
		if other.Address == s.Address {
			return fmt.Errorf("server %s is given twice: remove one", s.Address)
		}
		if other.name() == s.name() {
			return fmt.Errorf("two servers are named %s: give one of them another name", s.name())
		}
	}
	return nil
}

func (s Server) check() error {
	if err := caddyconf.CheckAddress(s.Address); err != nil {
		return fmt.Errorf("server %q: %w", s.Address, err)
	}
	if !serverName.MatchString(s.name()) {
		return fmt.Errorf("server %s: name %q: write up to 100 letters, digits, dots, hyphens, underscores or colons", s.Address, s.name())
	}
	if s.Capacity < 0 || s.Capacity > balance.MaxCapacity {
		return fmt.Errorf("server %s: capacity %d: write a number from 1 to %d", s.Address, s.Capacity, balance.MaxCapacity)
	}
	if s.Weight < 0 || s.Weight > balance.MaxWeight {
		return fmt.Errorf("server %s: weight %d: write a number from 1 to %d", s.Address, s.Weight, balance.MaxWeight)
	}
	return nil
}
