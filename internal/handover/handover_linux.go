package handover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// prepareEvery is how often Prepare looks whether the sockets of an earlier hand-over are
// closed.
const prepareEvery = 2 * time.Millisecond

// Handover is the moving of some addresses. Its methods must not be called concurrently.
type Handover struct {
	groups []*group
	// begun are the handshakes that were under way when Empty was called first. nil
	// before that.
	begun map[handshake]struct{}
}

// group is the sockets that listen on one address.
type group struct {
	addr netip.AddrPort
	sole socket // the one that listened when the hand-over was prepared
	deaf int    // a socket of Hold, or -1
}

// Prepare begins to hand these addresses over: new connections go to the sockets that
// listen now, whoever else begins to. Each address must have one socket; those that are
// being closed are waited for, until ctx is done. Addresses without a socket are left
// out.
//
// With an error, which names the addresses that it is about, comes what can be handed
// over all the same.
func Prepare(ctx context.Context, addrs []netip.AddrPort) (*Handover, error) {
	h := new(Handover)
	var errs []error
	tick := time.NewTicker(prepareEvery)
	defer tick.Stop()
	for _, addr := range addrs {
		g := &group{addr: addr, deaf: -1}
		listening, err := listenersOf(addr)
		for err == nil && len(listening) > 1 && ctx.Err() == nil {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
			listening, err = listenersOf(addr)
		}
		switch {
		case err != nil:
		case len(listening) == 0:
			continue
		case len(listening) > 1:
			err = fmt.Errorf("%d sockets listen", len(listening))
		default:
			g.sole = listening[0]
			err = steer(g.sole, 0)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("prepare to hand %s over: %w", addr, err))
			continue
		}
		h.groups = append(h.groups, g)
	}
	return h, errors.Join(errs...)
}

// Switch sends new connections to the sockets that began to listen after Prepare.
// Addresses on which none did are left as they are.
func (h *Handover) Switch() error {
	var errs []error
	for _, g := range h.groups {
		listening, err := listenersOf(g.addr)
		known := slices.ContainsFunc(listening, g.isSole)
		switch {
		case err != nil:
		case known && len(listening) == 1:
		case known && len(listening) == 2:
			err = steer(g.sole, 1)
		default:
			err = fmt.Errorf("%d sockets listen", len(listening))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("hand %s over: %w", g.addr, err))
		}
	}
	return errors.Join(errs...)
}

// Hold keeps new connections waiting, neither taken nor refused, until Close.
func (h *Handover) Hold() error {
	var errs []error
	for _, g := range h.groups {
		listening, err := listenersOf(g.addr)
		switch {
		case err != nil:
		case len(listening) != 1 || !g.isSole(listening[0]) || g.deaf >= 0:
			err = fmt.Errorf("%d sockets listen", len(listening))
		default:
			g.deaf, err = joinGroup(g.sole, 1, drop)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("hold connections to %s: %w", g.addr, err))
		}
	}
	return errors.Join(errs...)
}

func (g *group) isSole(s socket) bool { return s.inode == g.sole.inode }

// Empty reports whether nothing is left in the sockets that listened when the hand-over
// was prepared: no connection that waits to be accepted, and no handshake that was under
// way when Empty was called first. What Switch or Hold saw too late may come in a moment
// later, and a connection that was just accepted may not be its server's yet: call it
// first some milliseconds after them, and trust only two answers in a row.
func (h *Handover) Empty() (bool, error) {
	if len(h.groups) == 0 {
		return true, nil
	}
	states := uint32(stateListen)
	if h.begun == nil || len(h.begun) > 0 {
		states |= stateSynRecv // the kernel looks through all connections for that
	}
	waiting := 0
	now := make(map[handshake]struct{})
	err := dump(states, func(s socket) {
		for _, g := range h.groups {
			switch {
			case s.state == stateListen && g.isSole(s):
				waiting += s.queued
			case s.state == stateSynRecv && s.local.Port() == g.addr.Port():
				now[handshake{s.local, s.remote}] = struct{}{}
			}
		}
	})
	if err != nil {
		return false, err
	}
	if h.begun == nil {
		h.begun = now
	}
	for one := range h.begun {
		if _, ok := now[one]; !ok {
			delete(h.begun, one)
		}
	}
	return waiting == 0 && len(h.begun) == 0, nil
}

// Close ends Hold. It may be called more than once.
func (h *Handover) Close() error {
	var errs []error
	for _, g := range h.groups {
		if g.deaf >= 0 {
			errs = append(errs, closeSocket(g.deaf))
			g.deaf = -1
		}
	}
	return errors.Join(errs...)
}

// handshake is a client whose connection is being opened.
type handshake struct{ local, remote netip.AddrPort }
