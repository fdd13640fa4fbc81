package fleet

import (
	"fmt"
	"maps"
	"time"
)

// Consistency says what becomes of a server that has not seen the newest control
// change.
type Consistency uint8

const (
	// Strict gives it no requests but those for static files, as long as another
	// server is left.
	Strict Consistency = iota
	// Eventual gives it requests as ever: its answers may be old until it was
	// refreshed.
	Eventual
)

var consistencyNames = []string{"strict", "eventual"}

// String returns the name as it is written in the Caddyfile.
func (c Consistency) String() string { return consistencyNames[c] }

// ParseConsistency returns the Consistency of that name; "" is Strict.
func ParseConsistency(name string) (Consistency, error) {
	if name == "" {
		return Strict, nil
	}
	for i, n := range consistencyNames {
		if n == name {
			return Consistency(i), nil
		}
	}
	return 0, fmt.Errorf("unknown consistency %q: use strict or eventual", name)
}

// SetLead names the server that is the lead where no server of the configuration is
// said to be; "" is nobody. It may join the table later.
func (f *Fleet) SetLead(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.given = name
	f.applyLead()
}

// applyLead finds the lead server and tells the balancer. The caller holds f.mu.
func (f *Fleet) applyLead() {
	lead := f.findLead()
	if lead != f.lead {
		f.cfg.Logger.Info("the lead server has changed", "lead", lead, "before", f.lead)
	}
	f.lead = lead
	f.balancer.SetLead(time.Now(), lead)
}

// findLead returns the lead server's name, or "". Without agents it is always the
// same one, also while it is down: control changes and files are on it, and would
// be missed or undone by another.
func (f *Fleet) findLead() string {
	if f.cfg.Plain {
		return ""
	}
	first := ""
	for _, s := range f.cfg.Static {
		if s.Lead {
			return s.Name
		}
		if first == "" && !s.Backup {
			first = s.Name
		}
	}
	if f.given != "" {
		return f.given
	}
	for _, m := range f.members {
		if m.agent != nil {
			return ""
		}
	}
	if first == "" && len(f.cfg.Static) > 0 {
		first = f.cfg.Static[0].Name
	}
	return first
}

// SetBehind replaces the servers that have not seen the newest control change, by
// name, with the reason in an operator's words. What that means is up to
// Config.Consistency. The lead server is never behind.
func (f *Fleet) SetBehind(names map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.behind = maps.Clone(names)
	f.applyBehind()
}

func (f *Fleet) applyBehind() {
	behind := f.behind
	if f.cfg.Consistency == Eventual {
		behind = nil
	}
	f.balancer.SetBehind(time.Now(), behind)
}

// SetOut replaces the servers that a roll-out has taken out, by name, with the reason
// in an operator's words. They are drained, whatever the operators' marks are, and
// start slowly when they are put back. Once SetOut has returned and InFlight is 0, a
// server has no request and gets none, but from sessions on it within on_drain.
func (f *Fleet) SetOut(names map[string]string) {
	f.balancer.SetOut(time.Now(), names)
}

// InFlight returns how many requests hold a place on the server: those that it works
// on, for clients that have gone away too, also when it has left the table.
func (f *Fleet) InFlight(name string) int { return f.balancer.InFlight(name) }

// SetHold begins or ends the hold of work: requests that may put something into
// OMFLOW's flow queue then wait before they get a place on a server, first come first
// served, as long as others may wait in the queue.
func (f *Fleet) SetHold(hold bool) { f.balancer.SetHold(time.Now(), hold) }

// Held reports whether work is held, how many such requests are at a server, and how
// many wait for the end of the hold. When SetHold(true) has returned and none is
// working, none reaches a server before the hold ends.
func (f *Fleet) Held() (held bool, working, waiting int) { return f.balancer.Held() }

// FixedLead returns the server that the configuration says is the lead, or "".
func (f *Fleet) FixedLead() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.cfg.Static {
		if s.Lead {
			return s.Name
		}
	}
	return ""
}
