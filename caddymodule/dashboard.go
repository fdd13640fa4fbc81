package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/omflow/booster/internal/dashboard"
)

func init() {
	caddy.RegisterModule(Dashboard{})
	httpcaddyfile.RegisterDirective("omflow_dashboard", parseDashboard)
	httpcaddyfile.RegisterDirectiveOrder("omflow_dashboard", httpcaddyfile.Before, "metrics")
}

// dashboardPath is where the status page is when nothing else is said.
const dashboardPath = "/booster"

// Dashboard serves the status page: servers, queue, lead server, releases and members,
// kept up to date. It only shows. Names and addresses of all nodes are on it: put
// something like basic_auth before it.
type Dashboard struct {
	// Where the page is. Default: /booster.
	Path string `json:"path,omitempty"`

	page *dashboard.Page
}

// CaddyModule returns the Caddy module information.
func (Dashboard) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.omflow_dashboard",
		New: func() caddy.Module { return new(Dashboard) },
	}
}

// parseDashboard sets up the handler:
//
//	omflow_dashboard [<matcher>] [<path>]
//
// A matcher is * or a named one. What begins with a slash is the page's path, which
// needs no matcher: the page answers for that and what is below it, and nothing else.
func parseDashboard(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	h.Next() // consume "omflow_dashboard"
	d := &Dashboard{Path: dashboardPath}
	var matcher caddy.ModuleMap
	args := h.RemainingArgs()
	if len(args) > 0 && (args[0] == "*" || strings.HasPrefix(args[0], "@")) {
		h.Reset()
		h.Next()
		var err error
		if matcher, _, err = h.MatcherToken(); err != nil {
			return nil, err
		}
		args = h.RemainingArgs()
	}
	switch len(args) {
	case 0:
	case 1:
		d.Path = args[0]
	default:
		return nil, h.Errf("omflow_dashboard has no use for %q: it takes a matcher and a path at most", args[1])
	}
	if err := dashboard.CheckPath(d.Path); err != nil {
		return nil, h.Errf("omflow_dashboard: %v", err)
	}
	if h.NextBlock(0) {
		return nil, h.Err("omflow_dashboard has no options: nothing may stand in braces after it")
	}
	return h.NewRoute(matcher, d), nil
}

// Provision makes the page.
func (d *Dashboard) Provision(ctx caddy.Context) error {
	app, err := ctx.App("omflow")
	if err != nil {
		return err
	}
	if d.Path == "" {
		d.Path = dashboardPath
	}
	d.page, err = dashboard.New(dashboard.Config{Path: d.Path, Status: func() any { return app.(*App).status() }})
	return err
}

// ServeHTTP answers what is of the page, and leaves all else to the next handler.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !d.page.Has(r.URL.Path) {
		return next.ServeHTTP(w, r)
	}
	d.page.ServeHTTP(w, r)
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Dashboard)(nil)
	_ caddyhttp.MiddlewareHandler = (*Dashboard)(nil)
)
