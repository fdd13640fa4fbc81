package pair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/trust"
)

// Config says who a booster is in its pair and how it reaches the world.
type Config struct {
	// Name is the node's name.
	Name string
	// Role is Primary or Secondary.
	Role Role
	// Failover is how long the active booster may not be heard. Default 250ms;
	// from 100ms to 1m. Of two that differ the longer one counts.
	Failover time.Duration
	// Preempt is how long the primary must be well, and hear the secondary as
	// active, before it asks for its place. Default 5s; negative: never.
	Preempt time.Duration
	// StateDir is a folder of this node's own, absolute, where terms are kept.
	StateDir string
	// Send sends one packet to a node by its name. It must not block; what it
	// can't send is lost, and its error is counted only.
	Send func(to string, b []byte) error
	// Address is the virtual IP. Default: none.
	Address Address
	// Guard watches over the address. It must be given with one.
	Guard Guard
	// Drain is called before this booster offers its place as planned. It goes on
	// as the active one meanwhile. Drain returns when nothing fails any more if the
	// virtual IP is on the other machine, or when ctx ends: after DrainTimeout, or
	// when this booster is not the active one any more. Default: nothing.
	Drain func(ctx context.Context)
	// Resume is called once after each Drain, when the place was taken and the
	// virtual IP is off this machine, or when the other booster did not take it.
	// Default: nothing.
	Resume func()
	// DrainTimeout bounds Drain. Default 30s.
	DrainTimeout time.Duration
	// Changed is called with the newest Status after each change of State, Term
	// or PeerActive, from one goroutine; while it runs, changes gather. Default:
	// nothing.
	Changed func(Status)
	// Logger gets what operators should know. Default: slog.Default.
	Logger *slog.Logger

	clock func() time.Duration // tests only
}

// Address is a virtual IP of this machine.
type Address interface {
	// Add puts it on the interface; for one that is there it is repeated once a
	// second.
	Add() error
	// Remove takes it off; that it is not there is no error.
	Remove() error
	// Announce tells the neighbours.
	Announce() error
}

// Guard takes the address off when this process can't.
type Guard interface {
	// Extend says until when, by boottime, the address may stay; 0 for that it
	// is not held any more.
	Extend(until time.Duration) error
	// Removed has a value when the guard has taken the address off, or has ended.
	Removed() <-chan struct{}
}

// Validate says what is wrong with the configuration and what to write instead.
func (c Config) Validate() error {
	if !trust.ValidName(c.Name) {
		return fmt.Errorf("pair: %.80q is no node name", c.Name)
	}
	if c.Role != Primary && c.Role != Secondary {
		return fmt.Errorf("role %.40q: write %s or %s", c.Role, Primary, Secondary)
	}
	if c.Failover != 0 && (c.Failover < MinFailover || c.Failover > MaxFailover) {
		return fmt.Errorf("failover_after %v: write a duration from %v to %v", c.Failover, MinFailover, MaxFailover)
	}
	if !filepath.IsAbs(c.StateDir) {
		return fmt.Errorf("pair: state folder %q is not absolute", c.StateDir)
	}
	if c.Send == nil {
		return errors.New("pair: there is no way to send")
	}
	if (c.Address == nil) != (c.Guard == nil) {
		return errors.New("pair: an address needs a guard, and a guard an address")
	}
	if c.DrainTimeout < 0 {
		return fmt.Errorf("pair: drain timeout %v is negative", c.DrainTimeout)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Failover == 0 {
		c.Failover = DefaultFailover
	}
	switch {
	case c.Preempt == 0:
		c.Preempt = DefaultPreempt
	case c.Preempt < 0:
		c.Preempt = 0 // of settings: never
	}
	if c.Drain == nil {
		c.Drain = func(context.Context) {}
	}
	if c.Resume == nil {
		c.Resume = func() {}
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrain
	}
	if c.Changed == nil {
		c.Changed = func(Status) {}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.clock == nil {
		c.clock = boottime.Now
	}
	return c
}
