package caddymodule

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/omflow/booster/internal/handover"
)

// lookEvery is how often the connections are looked at that are to end.
const lookEvery = 10 * time.Millisecond

// doors are where a configuration's clients come in, and who is inside.
type doors struct {
	// closing is how many want clients to be told that their connections end.
	closing atomic.Int32

	mu      sync.Mutex
	servers []*caddyhttp.Server
	// guests are the connections to those servers, but for those that were upgraded.
	guests map[net.Conn]*guest
	// shut counts the servers that have closed their listeners.
	shut int
	// next is how the configuration that is to take this one's place gets its addresses,
	// or what keeps connections waiting at the end; nil before that.
	next *handover.Handover
}

// guest is a client's connection, over HTTP/1 or HTTP/2.
type guest struct {
	doors *doors
	// due is how many of its requests are in omflow_booster and have had no answer yet
	// that lets the client keep the connection. While there is one its client will be
	// told, or has been.
	due atomic.Int32
}

// guestKey is the key of a request's guest in its context.
const guestKey caddy.CtxKey = "omflow_guest"

// guestOf returns the connection that a request came over. It is nil with HTTP/3.
func guestOf(r *http.Request) *guest {
	g, _ := r.Context().Value(guestKey).(*guest)
	return g
}

// enter is called when one of its requests is to be served; leave afterwards, with
// whether the answer has let the client keep its connection.
func (g *guest) enter() { g.due.Add(1) }

func (g *guest) leave(kept bool) {
	if !kept {
		g.due.Add(-1)
	}
}

// Ends reports whether the connection ends with the answer whose head is about to be
// written.
func (g *guest) Ends() bool {
	if g.doors.isClosing() {
		return true
	}
	g.due.Add(-1)
	return false
}

// watch keeps count of the connections of the server that is being provisioned in ctx.
func (d *doors) watch(ctx context.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.servers, server) {
		return
	}
	d.servers = append(d.servers, server)
	server.RegisterConnContext(d.came)
	server.RegisterConnState(d.went)
	server.RegisterOnShutdown(d.shutDown)
}

func (d *doors) came(ctx context.Context, conn net.Conn) context.Context {
	g := &guest{doors: d}
	d.mu.Lock()
	if d.guests == nil {
		d.guests = make(map[net.Conn]*guest)
	}
	d.guests[conn] = g
	d.mu.Unlock()
	return context.WithValue(ctx, guestKey, g)
}

func (d *doors) went(conn net.Conn, state http.ConnState) {
	if state == http.StateHijacked || state == http.StateClosed {
		d.mu.Lock()
		delete(d.guests, conn)
		d.mu.Unlock()
	}
}

// areWatched reports whether there are servers that clients come in by.
func (d *doors) areWatched() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.servers) > 0
}

func (d *doors) isClosing() bool { return d.closing.Load() > 0 }

// untold is how many connections there are whose clients have not been told that they
// end, and won't be with a request that is in omflow_booster now.
func (d *doors) untold() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, g := range d.guests {
		if g.due.Load() == 0 {
			n++
		}
	}
	return n
}

// shutDown is called when a server has closed its listeners. With the last of them ends
// what kept new connections waiting: they are refused now.
func (d *doors) shutDown() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut++; d.shut == len(d.servers) && d.next != nil {
		_ = d.next.Close() // the process ends, or the next one's sockets have taken over
	}
}

// startClosing has all answers to clients say that their connection ends, until stop is
// called: they open another one for their next request, wherever that leads then. HTTP/1
// has a field for that, HTTP/2 a GOAWAY frame; HTTP/3 has nothing that would work before
// the listener is closed, and needs nothing: Caddy keeps its socket over a reload.
//
// What is called twice ends when both have stopped.
func (a *App) startClosing() (stop func()) {
	a.doors.closing.Add(1)
	return sync.OnceFunc(func() { a.doors.closing.Add(-1) })
}

// connections returns how many connections to sites with an omflow_booster are open, but
// for those that were upgraded, and how many requests are in omflow_booster, upgraded ones
// and those of other configurations included.
func (a *App) connections() (open, busy int) {
	a.doors.mu.Lock()
	open = len(a.doors.guests)
	a.doors.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, use := range a.pools {
		busy += int(use.pool.requests.Load())
	}
	return open, busy
}

// awaitClosed returns when no connection is open but those whose clients have been told
// that they end, or will be when the request that they wait for is answered; or when ctx
// is done. It returns how many others are left. startClosing comes first.
func (a *App) awaitClosed(ctx context.Context) (left int) {
	poll(ctx, func() bool { return a.doors.untold() == 0 })
	return a.doors.untold() // poll does not look when there is no time left
}

// awaitEmpty returns when nothing is left in the sockets that are handed over, or ctx is
// done.
func (a *App) awaitEmpty(ctx context.Context, h *handover.Handover) {
	poll(ctx, func() bool {
		empty, err := h.Empty()
		if err != nil {
			a.log.Warn("can't see whether connections wait to be accepted", "error", err)
		}
		return empty || err != nil
	})
}

// poll looks until what is waited for is there for two looks in a row, since a connection
// that has left its socket may not be counted yet, or until ctx is done.
func poll(ctx context.Context, look func() bool) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for inRow := 0; inRow < 2; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if inRow++; !look() {
			inRow = 0
		}
	}
}

// httpApp returns Caddy's HTTP app of this configuration, or nil.
func (a *App) httpApp() *caddyhttp.App {
	app, err := a.ctx.AppIfConfigured("http")
	if err != nil {
		return nil
	}
	web, _ := app.(*caddyhttp.App)
	return web
}

// listening returns the TCP addresses that this configuration's sites listen on: none
// before the http app has started.
func (a *App) listening() []netip.AddrPort {
	web := a.httpApp()
	if web == nil {
		return nil
	}
	var addrs []netip.AddrPort
	for _, server := range web.Servers {
		for _, ln := range server.Listeners() {
			if tcp, ok := ln.Addr().(*net.TCPAddr); ok {
				at := tcp.AddrPort()
				addrs = append(addrs, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
			}
		}
	}
	return addrs
}

// prepareTime bounds the wait for sockets of a configuration before this one, which
// Caddy closes without waiting for that.
const prepareTime = time.Second

// prepareHandOver is called by the configuration that may take this one's place, before
// it has opened anything.
func (a *App) prepareHandOver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	next, err := handover.Prepare(ctx, a.listening())
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		a.log.Warn("connections that are being opened may be cut off by a reload", "error", err)
	}
	a.doors.mu.Lock()
	a.doors.next = next
	a.doors.mu.Unlock()
}

// announceSuccessor tells the configuration in force that this one may take its place.
func (a *App) announceSuccessor(ctx caddy.Context) error {
	before, err := caddy.ActiveContext().AppIfConfigured("omflow")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil
	}
	if err != nil {
		return err
	}
	if b := before.(*App); b.agent == nil { // an agent's does not hear when it is to stop
		b.prepareHandOver(ctx)
	}
	return nil
}
