package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/omflow/booster/internal/pair/drain"
	"github.com/omflow/booster/internal/pair/vip"
)

// callers are the connections to the virtual IP, over reloads.
var callers drain.Visits

// watchVirtualIP notes the connections to the virtual IP of the server that a handler is being
// provisioned for.
func (a *App) watchVirtualIP(ctx caddy.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || a.Booster == nil || a.Booster.VirtualIP == "" {
		return
	}
	prefix, err := netip.ParsePrefix(a.Booster.VirtualIP)
	if err != nil {
		return // refused by Validate
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watched[server] {
		return
	}
	if a.watched == nil {
		a.watched = make(map[*caddyhttp.Server]bool)
	}
	a.watched[server] = true
	server.RegisterConnState(callers.Watch(prefix.Addr()))
}

// door is the way of clients to the virtual IP, which is held before a planned failover.
// It is nil where there is none.
type door struct {
	drain *drain.Drain
	ip    netip.Addr

	mu      sync.Mutex
	closing bool
	apps    map[*App]func() // the configurations that serve, with what has them keep connections again
}

func newDoor(ip netip.Addr, address *vip.Address, log *slog.Logger) (*door, error) {
	d := &door{ip: ip, apps: make(map[*App]func())}
	var err error
	d.drain, err = drain.New(drain.Config{
		Address: address, Visits: &callers, Ports: d.ports, Closing: d.startClosing, Copy: copyToOther, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("virtual_ip: %w", err)
	}
	return d, nil
}

// enter and leave enclose a configuration's time: in a reload there are two.
func (d *door) enter(a *App) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var stop func()
	if d.closing {
		stop = a.startClosing()
	}
	d.apps[a] = stop
}

func (d *door) leave(a *App) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if stop := d.apps[a]; stop != nil {
		stop()
	}
	delete(d.apps, a)
}

func (d *door) startClosing() (stop func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closing = true
	for a := range d.apps {
		d.apps[a] = a.startClosing()
	}
	return d.stopClosing
}

func (d *door) stopClosing() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closing = false
	for a, stop := range d.apps {
		d.apps[a] = nil
		stop()
	}
}

// ports are those on which clients come to the virtual IP.
func (d *door) ports() (ports []uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for a := range d.apps {
		for _, at := range a.listening() {
			if ip := at.Addr(); ip.IsUnspecified() || ip == d.ip {
				ports = append(ports, at.Port())
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// copyToOther copies to the other booster what it learns of with a delay otherwise: REST
// tokens, and which server got which ticket. All else that it must know of a request is
// in the cluster's marks.
func copyToOther(ctx context.Context) error {
	if node := runningNode(); node != nil && node.conductor != nil {
		return errors.Join(node.conductor.copyNow(ctx), node.conductor.offerOwners(ctx))
	}
	return nil
}
