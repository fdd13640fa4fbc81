package caddymodule

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
)

// nodeLog is where what lives as long as the node logs to: the log of the configuration
// in force. Caddy closes a configuration's logs when the next one has taken its place, and
// a level that a reload changes holds for that one's.
type nodeLog struct {
	to atomic.Pointer[slog.Handler]
}

// set has records go to log from now on.
func (n *nodeLog) set(log *slog.Logger) {
	to := log.Handler()
	n.to.Store(&to)
}

// logger returns a logger that follows set, which must have been called.
func (n *nodeLog) logger() *slog.Logger { return slog.New(&nodeHandler{log: n}) }

// nodeHandler is a nodeLog's slog.Handler. It may be used concurrently.
type nodeHandler struct {
	log *nodeLog
	// with makes of the handler in force the one with this one's attributes and groups.
	with []func(slog.Handler) slog.Handler
}

// Enabled implements slog.Handler.
func (h *nodeHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return (*h.log.to.Load()).Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *nodeHandler) Handle(ctx context.Context, r slog.Record) error {
	to := *h.log.to.Load()
	for _, with := range h.with {
		to = with(to)
	}
	return to.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *nodeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *nodeHandler) WithGroup(name string) slog.Handler {
	return h.and(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *nodeHandler) and(with func(slog.Handler) slog.Handler) *nodeHandler {
	return &nodeHandler{log: h.log, with: append(slices.Clip(h.with), with)}
}

// Interface guard
var _ slog.Handler = (*nodeHandler)(nil)
