package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/guard"
	"github.com/omflow/booster/internal/pair"
	"github.com/omflow/booster/internal/pair/vip"
)

// takeTime is how long the other booster may take, beside the failover time, to take the
// place that it is offered.
const takeTime = 5 * time.Second

// pairConfig is what a booster of a pair is configured as. All of it is read when the
// process starts.
type pairConfig struct {
	role      string // "" for one that is alone
	virtualIP string // with prefix length, or ""
	iface     string
	failover  time.Duration
	preempt   time.Duration // negative: never
}

// errPairRestart: what makes the pair is not changed by a reload.
var errPairRestart = errors.New("role, virtual_ip, failover_after and preempt are read when the process starts: restart it instead of reloading")

// pairing is a booster's place in its pair.
type pairing struct {
	*pair.Pair
	address     *vip.Address // nil without a virtual IP
	guard       *guard.Address
	door        *door // of the virtual IP
	node        *gossip.Node
	other       atomic.Bool // join names another booster
	counts      *pairCounts
	unsubscribe func()
	looking     sync.Mutex    // so that of two looks the later one counts
	within      time.Duration // bounds a planned failover: the longest drain, and the taking over
}

// pairConfig returns what the app wants of the pair.
func (a *App) pairConfig() pairConfig {
	b := a.Booster
	if b == nil {
		return pairConfig{}
	}
	cfg := pairConfig{role: b.Role, virtualIP: b.VirtualIP, iface: b.Interface, failover: time.Duration(b.FailoverAfter), preempt: pair.DefaultPreempt}
	if b.Preempt != nil {
		cfg.preempt = time.Duration(*b.Preempt)
	}
	return cfg
}

// newPairing takes part in the pair, over the node. The pair is told who is there by
// expect.
func newPairing(node *gossip.Node, cfg pairConfig, stateDir string, log *slog.Logger) (*pairing, error) {
	dir, err := filepath.Abs(filepath.Join(stateDir, "pair"))
	if err != nil {
		return nil, fmt.Errorf("find the pair's folder: %w", err)
	}
	p := &pairing{node: node, counts: newPairCounts(), within: pair.DefaultDrain + cfg.failover + takeTime}
	var rested uint64 // the newest term that this booster was active in; of Changed
	c := pair.Config{
		Name: node.Name(), Role: pair.Role(cfg.role), Failover: cfg.failover, Preempt: cfg.preempt, StateDir: dir, Logger: log,
		Send: func(to string, b []byte) error { return node.SendPacket(to, pair.PacketKind, b) },
		Changed: func(s pair.Status) {
			p.counts.changed(s)
			// By the term: of changes in quick succession only the last one is told.
			if s.State == pair.Active && s.Term != rested {
				restFiles()
				rested = s.Term
			}
			log.Info("the pair has changed", "state", s.State, "term", s.Term, "peer", s.Peer, "peer_heard", s.PeerHeard, "peer_active", s.PeerActive)
		},
	}
	if cfg.virtualIP != "" {
		if err := p.openAddress(cfg, &c, log); err != nil {
			return nil, err
		}
	}
	if p.Pair, err = pair.New(c); err != nil {
		return nil, errors.Join(err, p.closeAddress())
	}
	p.Start()
	node.HandlePackets(pair.PacketKind, func(_ netip.AddrPort, b []byte) {
		p.counts.received.Add(1)
		p.Receive(b)
	})
	p.unsubscribe = node.Subscribe(func(gossip.Member) { p.look() })
	return p, nil
}

// openAddress prepares the virtual IP and the guard that takes it off when this process
// can't.
func (p *pairing) openAddress(cfg pairConfig, c *pair.Config, log *slog.Logger) error {
	where, err := vip.Parse(cfg.virtualIP, cfg.iface)
	if err != nil {
		return fmt.Errorf("virtual_ip: %w", err)
	}
	if p.address, err = where.Open(); err != nil {
		return fmt.Errorf("virtual_ip: %w", err)
	}
	exe, err := guard.Program()
	if err == nil {
		p.guard, err = guard.StartAddress(guard.AddressConfig{Address: where, Exe: exe, Args: guard.Command(), Logger: log})
	}
	if err != nil {
		return errors.Join(fmt.Errorf("virtual_ip: %w", err), p.closeAddress())
	}
	c.Address, c.Guard = p.address, p.guard
	if p.door, err = newDoor(where.Prefix.Addr(), p.address, log); err != nil {
		return errors.Join(err, p.closeAddress())
	}
	c.Drain, c.Resume = p.door.drain.Run, p.door.drain.End
	return nil
}

func (p *pairing) closeAddress() error {
	var errs []error
	if p.guard != nil {
		errs = append(errs, p.guard.Close())
	}
	if p.address != nil {
		errs = append(errs, p.address.Close())
	}
	return errors.Join(errs...)
}

// expect says whether join names another booster.
func (p *pairing) expect(other bool) {
	p.other.Store(other)
	p.look()
}

// look tells the pair who is there.
func (p *pairing) look() {
	p.looking.Lock()
	defer p.looking.Unlock()
	peer, agents := otherBooster(p.node.Members())
	if peer == "" && !p.other.Load() {
		agents = nil // there is nobody that could take the place, so nobody has to witness
	}
	p.SetPeer(peer)
	p.SetAgents(agents)
}

// otherBooster returns the other booster of the pair, and the agents that are there. Of several
// boosters, as when one was given another name, it is one that is alive, or else the one
// that was for the longest.
func otherBooster(members []gossip.Member) (peer string, agents []string) {
	var other gossip.Member
	better := func(m gossip.Member) bool {
		if a, b := m.State == gossip.Alive, other.State == gossip.Alive; a != b {
			return a
		}
		return other.Name == "" || m.Since.After(other.Since)
	}
	for _, m := range members {
		switch {
		case m.Self || m.Unknown:
		case m.Kind == gossip.KindBooster:
			if better(m) {
				other = m
			}
		case m.Kind == gossip.KindAgent && m.State == gossip.Alive:
			agents = append(agents, m.Name)
		}
	}
	slices.Sort(agents)
	return other.Name, agents
}

// close hands over to the other booster, if that was not done before, and gives the
// virtual IP up.
func (p *pairing) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.within)
	defer cancel()
	p.unsubscribe()
	err := p.Close(ctx)
	p.node.HandlePackets(pair.PacketKind, nil)
	return errors.Join(err, p.closeAddress())
}

// handOver hands over to the other booster, if this process is the active booster of a
// pair and the other one is heard. It is called when the process is to end and all still
// works.
func (a *App) handOver(ctx context.Context) error {
	node := runningNode()
	if node == nil || node.pair == nil {
		return nil
	}
	if s := node.pair.Status(); s.State != pair.Active || !s.PeerHeard {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, node.pair.within)
	defer cancel()
	return node.pair.Failover(ctx)
}

// serveFailover has the boosters change places.
func (a *App) serveFailover(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return apiError(http.StatusMethodNotAllowed, "%s: use POST", r.Method)
	}
	if a.agent != nil {
		return a.askABooster()
	}
	node := runningNode()
	if node == nil || node.pair == nil {
		return apiError(http.StatusConflict, "this booster has no other: write `role` in the booster block of both")
	}
	ctx, cancel := context.WithTimeout(r.Context(), node.pair.within)
	defer cancel()
	if err := node.pair.Failover(ctx); err != nil {
		return apiError(http.StatusConflict, "failover: %w", err)
	}
	a.log.Info("an operator had the boosters change places")
	return answer(w, a.pairStatus(node.node.Members()))
}

// askABooster refuses on an agent what only boosters do, and says which there are.
func (a *App) askABooster() error {
	var known []string
	if node := a.node.Load(); node != nil {
		for _, m := range node.Members() {
			if m.Kind == gossip.KindBooster {
				known = append(known, m.Name+" at "+m.Address)
			}
		}
	}
	if len(known) == 0 {
		return apiError(http.StatusConflict, "this is an agent, and no booster is heard: do it on a booster, or see --address")
	}
	slices.Sort(known)
	return apiError(http.StatusConflict, "this is an agent: do it on a booster, which are %s, or see --address", strings.Join(known, ", "))
}
