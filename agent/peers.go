package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
)

// askTime is how long one of several nodes, of which any may answer, is waited for.
const askTime = 3 * time.Second

// peers are the other nodes by the node that is in force: a reload may change it.
type peers atomic.Pointer[patch.Peers]

func (p *peers) now() patch.Peers { return *(*atomic.Pointer[patch.Peers])(p).Load() }

// Propose implements patch.Peers.
func (p *peers) Propose(ctx context.Context, proposal api.Proposal) error {
	return p.now().Propose(ctx, proposal)
}

// Chain implements patch.Peers.
func (p *peers) Chain(ctx context.Context, after uint64) ([]*release.Manifest, error) {
	return p.now().Chain(ctx, after)
}

// Release implements patch.Peers.
func (p *peers) Release(ctx context.Context, ref release.Ref) (*release.Manifest, error) {
	return p.now().Release(ctx, ref)
}

// Announce implements patch.Peers.
func (p *peers) Announce(ctx context.Context, m *release.Manifest) { p.now().Announce(ctx, m) }

// Offer implements patch.Peers.
func (p *peers) Offer(ctx context.Context, contents ...api.Content) {
	p.now().Offer(ctx, contents...)
}

// Agents implements patch.Peers.
func (p *peers) Agents() []string { return p.now().Agents() }

// Blobs implements patch.Peers.
func (p *peers) Blobs(ctx context.Context, agent string, files []release.File, put func(io.Reader, release.Hash, int64) error) error {
	return p.now().Blobs(ctx, agent, files, put)
}

// nodePeers are the other nodes of a gossip node.
type nodePeers struct{ member }

// Releases implements cluster.
func (m member) Releases() patch.Peers {
	n := nodePeers{m}
	return releasePeers{n, newNumberers(n.boosters, n.client())}
}

// releasePeers are the other nodes, of which boosters give out numbers.
type releasePeers struct {
	nodePeers
	*numberers
}

func (n nodePeers) client() api.Client { return api.Client{Do: n.Do, Stream: n.DoStream} }

// Release implements patch.Peers.
func (n nodePeers) Release(ctx context.Context, ref release.Ref) (*release.Manifest, error) {
	errs := []error{fmt.Errorf("fetch release %s: %w", ref, history.ErrUnknown)}
	for _, name := range append(n.boosters(), n.Agents()...) {
		cctx, cancel := context.WithTimeout(ctx, askTime)
		m, err := n.client().Release(cctx, name, ref)
		cancel()
		if err == nil {
			return m, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Announce implements patch.Peers.
func (n nodePeers) Announce(ctx context.Context, m *release.Manifest) {
	// An agent that can't be told hears of it from the booster, and one that keeps no
	// folder the same does not answer.
	_ = n.client().Announce(ctx, n.Agents(), m)
}

// Offer implements patch.Peers.
func (n nodePeers) Offer(ctx context.Context, contents ...api.Content) {
	_ = n.client().Offer(ctx, n.Agents(), contents...) // who was not told fetches them later
}

// Agents implements patch.Peers.
func (n nodePeers) Agents() (names []string) {
	for _, o := range n.Members() {
		if o.Kind == gossip.KindAgent && o.Reachable() && !o.Self {
			names = append(names, o.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Blobs implements patch.Peers.
func (n nodePeers) Blobs(ctx context.Context, agent string, files []release.File, put func(io.Reader, release.Hash, int64) error) error {
	return n.client().Blobs(ctx, agent, files, put)
}

// Interface guards
var (
	_ patch.Peers = (*peers)(nil)
	_ patch.Peers = releasePeers{}
)
