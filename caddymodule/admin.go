package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/balance"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

const adminBase = "/omflow/"

// adminAPI serves the booster's part of Caddy's admin endpoint:
//
//	GET  /omflow/status
//	GET  /omflow/servers
//	GET  /omflow/events
//	POST /omflow/servers/<name>/drain|resume|maintenance
//	POST /omflow/servers/<name>/lead[?gone=true]
//	GET  /omflow/releases
//	GET  /omflow/releases/<number>
//	POST /omflow/releases/<number>/approve|rollback
//	POST /omflow/releases/publish
//	POST /omflow/releases/confirm/<server>[/patch|/replicate]?finding=<finding>
//	POST /omflow/releases/restore/<server>[/patch|/replicate]
//	POST /omflow/failover
//
// It answers for the configuration that is in force when it is asked. Caddy makes
// the admin endpoint of a new configuration before it knows whether that works,
// and keeps it when it does not.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.omflow",
		New: func() caddy.Module { return new(adminAPI) },
	}
}

// activeApp returns the app of the configuration in force.
func activeApp() (*App, error) {
	app, err := caddy.ActiveContext().AppIfConfigured("omflow")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, apiError(http.StatusNotFound, "this process has neither a global omflow block nor an omflow_booster site")
	}
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// Routes returns the routes under /omflow/.
func (a adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: adminBase, Handler: caddy.AdminHandlerFunc(a.serve)}}
}

func apiError(status int, format string, args ...any) error {
	return caddy.APIError{HTTPStatus: status, Err: fmt.Errorf(format, args...)}
}

func (a adminAPI) serve(w http.ResponseWriter, r *http.Request) error {
	app, err := activeApp()
	if err != nil {
		return err
	}
	path := strings.Split(strings.TrimPrefix(r.URL.Path, adminBase), "/")
	switch {
	case len(path) == 1 && path[0] == "status":
		return answerGet(w, r, app.status())
	case len(path) == 1 && path[0] == "servers":
		return answerGet(w, r, app.status().Servers)
	case len(path) == 1 && path[0] == "events":
		return app.serveEvents(w, r)
	case len(path) == 3 && path[0] == "servers" && path[2] == "lead":
		return app.serveLead(w, r, path[1])
	case len(path) == 3 && path[0] == "servers":
		return app.serveMark(w, r, path[1], path[2])
	case len(path) == 1 && path[0] == "failover":
		return app.serveFailover(w, r)
	case path[0] == "releases":
		return app.serveReleases(w, r, path[1:])
	}
	return apiError(http.StatusNotFound, "there is no %s", r.URL.Path)
}

func answerGet(w http.ResponseWriter, r *http.Request, v any) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return apiError(http.StatusMethodNotAllowed, "%s: use GET", r.Method)
	}
	return answer(w, v)
}

func answer(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// marks that the admin API can set.
var adminMarks = map[string]balance.Mark{
	"drain":       balance.Drain,
	"maintenance": balance.Maintenance,
	"resume":      balance.NoMark,
}

// serveMark sets or removes a server's mark and answers with the server.
func (a *App) serveMark(w http.ResponseWriter, r *http.Request, name, act string) error {
	mark, ok := adminMarks[act]
	if !ok {
		return apiError(http.StatusNotFound, "%q is not something to do with a server: use drain, resume, maintenance or lead", act)
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return apiError(http.StatusMethodNotAllowed, "%s: use POST", r.Method)
	}
	if err := a.setMark(name, mark); err != nil {
		return err
	}
	for _, s := range a.status().Servers {
		if s.Name == name {
			return answer(w, s)
		}
	}
	return apiError(http.StatusNotFound, "server %s is gone", name)
}

// setMark marks a server here, in all pools that have it, and for the pool that all
// boosters have everywhere.
func (a *App) setMark(name string, mark balance.Mark) error {
	var known []string
	found := false
	for _, p := range a.activePools() {
		names := p.fleet.Names()
		known = append(known, names...)
		if !slices.Contains(names, name) {
			continue
		}
		found = true
		if node := a.node.Load(); node != nil && p.key == omflowPool {
			if err := spreadMark(node, name, mark); err != nil {
				return apiError(http.StatusInternalServerError, "mark server %s: %w", name, err)
			}
		}
		p.fleet.SetMark(name, mark) // at once; the cluster's word follows
	}
	switch {
	case found:
		a.log.Info("server marked", "server", name, "mark", cmp.Or(mark.String(), "none"))
		return nil
	case a.agent != nil:
		return apiError(http.StatusNotFound, "server %s is unknown: this is an agent: ask a booster, see --address", name)
	case len(known) == 0:
		return apiError(http.StatusNotFound, "server %s is unknown: this booster has no servers yet", name)
	default:
		return apiError(http.StatusNotFound, "server %s is unknown: the servers are %s", name, strings.Join(known, ", "))
	}
}

func spreadMark(node *gossip.Node, name string, mark balance.Mark) error {
	if mark == balance.NoMark {
		return node.DeleteMark(markPrefix + name)
	}
	return node.SetMark(markPrefix+name, mark.String())
}

// Interface guard
var _ caddy.AdminRouter = adminAPI{}
