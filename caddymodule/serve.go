package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"go.uber.org/zap"

	"github.com/omflow/booster/internal/front"
)

// serve hands a request to the front door, and what became of it to log and
// metrics.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	var client front.Client
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	client.Trusted, _ = vars[caddyhttp.TrustedProxyVarKey].(bool)
	if h.Headers != nil {
		w, r = h.changeHeaders(w, r, &client)
	}
	var trace front.Trace
	h.pool.enter()
	guest := guestOf(r)
	if guest != nil {
		client.Conn = guest
		guest.enter()
	}
	defer func() {
		if guest != nil {
			guest.leave(trace.Kept)
		}
		h.pool.leave()
		h.pool.metrics.observe(&trace)
		if server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.Logs != nil {
			logTrace(r, &trace)
		}
	}()
	h.front.Serve(w, r, client, &trace)
	return nil
}

// logTrace adds what became of the request to the access log.
func logTrace(r *http.Request, t *front.Trace) {
	extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok || t.Status == 0 && t.Server == "" && t.Refusal == "" {
		return
	}
	extra.Add(zap.String("lane", t.Lane.String()))
	extra.Add(zap.Stringer("class", t.Class))
	extra.Add(zap.Duration("queue", t.Queue))
	extra.Add(zap.Int("tries", t.Tries))
	if t.Server != "" {
		extra.Add(zap.String("server", t.Server))
		extra.Add(zap.String("why", string(t.Why)))
		extra.Add(zap.Duration("served", t.Served))
	}
	if t.TokenChanged {
		extra.Add(zap.Bool("token_changed", true))
	}
	if t.Create != "" {
		extra.Add(zap.String("create", t.Create))
	}
	if t.Refusal != "" {
		extra.Add(zap.String("refusal", t.Refusal))
	}
	if t.Err != nil {
		extra.Add(zap.String("upstream_error", t.Err.Error()))
	}
}

// changeHeaders applies header_up to a copy of the request, and sees to it that
// header_down is applied to the answer.
func (h *Handler) changeHeaders(w http.ResponseWriter, r *http.Request, client *front.Client) (http.ResponseWriter, *http.Request) {
	if up := h.Headers.Request; up != nil {
		changed := *r
		changed.Header = r.Header.Clone()
		for _, f := range front.Forwarded(r, *client) {
			changed.Header.Set(f.Name, f.Value)
		}
		up.ApplyToRequest(&changed)
		client.Forwarded = true
		r = &changed
	}
	if down := h.Headers.Response; down != nil && down.HeaderOps != nil {
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		w = &headerDown{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, ops: down, repl: repl}
	}
	return w, r
}

// headerDown applies header_down when the head of the answer is written.
type headerDown struct {
	*caddyhttp.ResponseWriterWrapper
	ops   *headers.RespHeaderOps
	repl  *caddy.Replacer
	wrote bool
}

// WriteHeader writes the head; interim answers are left as they are.
func (w *headerDown) WriteHeader(status int) {
	if !w.wrote && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.wrote = true
		if w.ops.Require == nil || w.ops.Require.Match(status, w.Header()) {
			w.ops.ApplyTo(w.Header(), w.repl)
		}
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

// Write writes a part of the body.
func (w *headerDown) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriterWrapper.Write(b)
}
