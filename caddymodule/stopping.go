package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"

	"github.com/omflow/booster/internal/handover"
)

const (
	// reloadTime bounds how long a reload waits until clients with kept connections have
	// been told that those end. A page of OMFLOW's in a browser asks for something each 5
	// s (measured on OMFLOW 1.1.0.0), so this reaches all that are open. It is waited for
	// only as long as there are such connections.
	reloadTime = 6 * time.Second
	// exitTime is the same at the end of the process, where nobody is there for the next
	// connection: it is for those who ask all the time.
	exitTime = time.Second
	// holdTime bounds how long new connections are held at the end of the process, so
	// that those which have begun are served.
	holdTime = 300 * time.Millisecond
)

// startHook is called when all of a configuration's apps have started.
type startHook struct{ app *App }

// Handle makes the configuration one that serves at the virtual IP. Before that its
// listeners are still being opened, and it gets no connections.
func (h startHook) Handle(_ context.Context, event caddy.Event) error {
	if event.Origin() != nil || h.app.use == nil {
		return nil
	}
	if p := h.app.use.shared.pair; p != nil {
		p.door.enter(h.app)
	}
	return nil
}

// stopHook is called before Caddy stops a configuration's apps.
type stopHook struct{ app *App }

// Handle ends the clients' connections while all that serves them still works: once
// Caddy stops its HTTP app, net/http closes idle connections whether or not a request is
// on its way, and drops one that it has just read.
func (h stopHook) Handle(_ context.Context, event caddy.Event) error {
	if event.Origin() != nil {
		return nil // a module's own event of that name
	}
	if a := h.app; a.hasSuccessor() {
		a.beforeReload()
	} else {
		a.beforeExit()
	}
	return nil
}

// hookEvents has startHook and stopHook be called.
func (a *App) hookEvents(ctx caddy.Context) error {
	app, err := ctx.App("events")
	if err != nil {
		return err
	}
	events := app.(*caddyevents.App)
	if err := errors.Join(events.On("started", startHook{a}), events.On("stopping", stopHook{a})); err != nil {
		return fmt.Errorf("subscribe to Caddy's starting and stopping: %w", err)
	}
	return nil
}

// hasSuccessor reports whether another configuration serves from now on. It is asked while
// this one is being stopped, when Caddy has put the next one in force already: one that
// was prepared for and then failed to start never is, and one that has started is stopped
// after this one when the process is told to end in the middle of a reload.
func (a *App) hasSuccessor() bool {
	app, err := caddy.ActiveContext().AppIfConfigured("omflow")
	if err != nil {
		return false
	}
	next, ok := app.(*App)
	return ok && next != a && next.agent == nil
}

// beforeReload hands the addresses to the configuration that has started, and ends the
// connections of this one.
func (a *App) beforeReload() {
	a.doors.mu.Lock()
	next := a.doors.next
	a.doors.mu.Unlock()
	limit := reloadTime
	if caddy.Exiting() {
		limit = exitTime // the next configuration ends in a moment, too
	}
	err := next.Switch()
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		a.log.Warn("connections that are being opened may be cut off by this reload", "error", err)
	}
	a.startClosing()
	a.endConnections(limit, next)
}

// beforeExit hands over to the other booster of a pair, and ends the connections.
func (a *App) beforeExit() {
	ctx := context.Background()
	if err := a.handOver(ctx); err != nil {
		a.log.Error("the other booster has not taken over", "error", err)
	}
	if !a.doors.areWatched() {
		return // nobody would tell when what keeps connections waiting has had its time
	}
	a.startClosing()
	a.endConnections(exitTime, new(handover.Handover))
	ctx, cancel := context.WithTimeout(ctx, holdTime)
	defer cancel()
	next, err := handover.Prepare(ctx, a.listening())
	if err = errors.Join(err, next.Hold()); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		a.log.Warn("connections that are being opened may be cut off", "error", err)
	}
	a.doors.mu.Lock()
	a.doors.next = next // until the listeners are closed
	a.doors.mu.Unlock()
	a.awaitEmpty(ctx, next)
	a.awaitClosed(ctx)
}

// endConnections waits until clients have been told and nothing is left in the sockets
// that are handed over. Caddy's grace_period, if there is one, bounds it, too.
func (a *App) endConnections(limit time.Duration, h *handover.Handover) {
	if web := a.httpApp(); web != nil && web.GracePeriod > 0 {
		limit = min(limit, time.Duration(web.GracePeriod))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	a.awaitEmpty(ctx, h)
	left := a.awaitClosed(ctx)
	_, busy := a.connections()
	a.log.Info("the clients' connections end", "waited", time.Since(began), "not_told", left, "requests", busy)
}

// Interface guards
var (
	_ caddyevents.Handler = startHook{}
	_ caddyevents.Handler = stopHook{}
)
