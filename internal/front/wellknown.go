package front

import (
	"net/http"
	"strings"
)

const wellKnownPrefix = "/.well-known/omflow/"

// wellKnown answers the questions of load balancers and monitors in front of the
// boosters.
func (f *Front) wellKnown(w http.ResponseWriter, r *http.Request, client Client, t *Trace) bool {
	question, ok := strings.CutPrefix(r.URL.Path, wellKnownPrefix)
	if !ok {
		return false
	}
	mayEnd(w, client, t)
	yes := false
	switch question {
	case "live":
		yes = true
	case "ready":
		yes = f.cfg.Fleet.Ready()
	case "active":
		yes = f.cfg.Active()
	default:
		http.NotFound(w, r)
		return true
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	status, text := http.StatusOK, "yes\n"
	if !yes {
		status, text = http.StatusServiceUnavailable, "no\n"
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(text))
	}
	return true
}
