package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/pair"
	"github.com/omflow/booster/internal/pair/vip"
)

// Booster is what only a booster has.
type Booster struct {
	// primary or secondary. One booster alone needs none. All options of this block are
	// read when the process starts.
	Role string `json:"role,omitempty"`

	// An address that is on this machine while this booster is the active one, with the
	// length of its network, as in 10.0.0.10/24. It needs Linux, and the capabilities
	// CAP_NET_ADMIN and CAP_NET_RAW. Default: none.
	VirtualIP string `json:"virtual_ip,omitempty"`

	// The network interface that the virtual IP is put on. Required with it.
	Interface string `json:"interface,omitempty"`

	// How long the active booster may not be heard before the other takes over. The
	// longer one of the two counts. Default: 250ms.
	FailoverAfter caddy.Duration `json:"failover_after,omitempty"`

	// How long the primary must be well before it takes its place back; negative:
	// never. Default: 5s.
	Preempt *caddy.Duration `json:"preempt,omitempty"`
}

// Roles of a booster.
const (
	rolePrimary   = "primary"
	roleSecondary = "secondary"
)

// roleMissing says that a booster which joins another one needs a role. Two without
// one would both lead the servers.
func (a *App) roleMissing() error {
	if a.agent != nil || a.AgentRaw != nil || a.Booster != nil && a.Booster.Role != "" {
		return nil
	}
	if other := a.otherBooster(); other != "" {
		return fmt.Errorf("join names another booster, %s, so each of the two needs its role: add a booster block with `role primary` to one of them, and one with `role secondary` to the other", other)
	}
	return nil
}

// otherBooster returns the first address of join that is not this node's own, as far as
// that can be told, or "".
func (a *App) otherBooster() string {
	for _, other := range a.Join {
		if other != a.Advertise && other != cmp.Or(a.Listen, defaultListen) {
			return other
		}
	}
	return ""
}

// validate refuses what cannot work, and says what to write instead.
func (b *Booster) validate() error {
	if b == nil {
		return nil
	}
	if err := errors.Join(b.checkRole(), b.checkFailoverAfter()); err != nil {
		return err
	}
	if b.Preempt != nil && *b.Preempt == 0 {
		return errors.New("preempt 0: write a duration, or a negative one for never")
	}
	if b.VirtualIP == "" {
		return nil
	}
	if _, err := vip.Parse(b.VirtualIP, b.Interface); err != nil {
		return fmt.Errorf("virtual_ip: %w", err)
	}
	return nil
}

// checkRole says that what is for a pair needs a role.
func (b *Booster) checkRole() error {
	if b.Role == "" && (b.VirtualIP != "" || b.FailoverAfter != 0 || b.Preempt != nil) {
		return errors.New("virtual_ip, failover_after and preempt are for a pair: write `role primary` or `role secondary`, too")
	}
	return nil
}

// checkFailoverAfter holds failover_after within its bounds.
func (b *Booster) checkFailoverAfter() error {
	if after := time.Duration(b.FailoverAfter); after != 0 && (after < pair.MinFailover || after > pair.MaxFailover) {
		return fmt.Errorf("failover_after %s: write a duration from %s to %s", after, pair.MinFailover, pair.MaxFailover)
	}
	return nil
}
