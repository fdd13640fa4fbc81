package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
)

// chainFiles and chainReleases bound what is fetched of a sequence at once, so that
// its lists fit into memory; the rest is fetched when those are kept.
const (
	chainFiles    = 1_000_000
	chainReleases = 128
)

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

// Announce implements patch.Peers.
func (p *peers) Announce(ctx context.Context, m *release.Manifest) { p.now().Announce(ctx, m) }

// Agents implements patch.Peers.
func (p *peers) Agents() []string { return p.now().Agents() }

// Blobs implements patch.Peers.
func (p *peers) Blobs(ctx context.Context, agent string, files []release.File, put func(io.Reader, release.Hash, int64) error) error {
	return p.now().Blobs(ctx, agent, files, put)
}

// nodePeers are the other nodes of a gossip node.
type nodePeers struct{ member }

// Releases implements cluster.
func (m member) Releases() patch.Peers { return nodePeers{m} }

func (n nodePeers) client() api.Client { return api.Client{Do: n.Do} }

// Propose implements patch.Peers: it asks all boosters, of which the active one alone
// gives out numbers.
func (n nodePeers) Propose(ctx context.Context, p api.Proposal) error {
	boosters := n.boosters()
	results := make(chan error, len(boosters))
	for _, booster := range boosters {
		go func() {
			_, err := n.client().Propose(ctx, booster, p)
			results <- err
		}()
	}
	errs := []error{patch.ErrNoBooster}
	var answer error
	for range boosters {
		err := <-results
		var stale *history.StaleError
		switch {
		case err == nil:
			return nil // the others find out from the active one
		case errors.As(err, &stale), errors.Is(err, api.ErrRefused):
			answer = err
		default:
			errs = append(errs, err)
		}
	}
	return cmp.Or(answer, errors.Join(errs...))
}

// errEnough ends the fetching of a sequence for now.
var errEnough = errors.New("that is enough at once")

// Chain implements patch.Peers: of what the boosters have, it takes the longest.
func (n nodePeers) Chain(ctx context.Context, after uint64) (longest []*release.Manifest, err error) {
	boosters := n.boosters()
	if len(boosters) == 0 {
		return nil, patch.ErrNoBooster
	}
	last := func(chain []*release.Manifest) uint64 {
		if len(chain) == 0 {
			return 0
		}
		return chain[len(chain)-1].Number
	}
	var errs []error
	for _, booster := range boosters {
		var chain []*release.Manifest
		files := 0
		err := n.client().Chain(ctx, booster, after, func(m *release.Manifest) error {
			chain = append(chain, m)
			if files += len(m.Files); files > chainFiles || len(chain) == chainReleases {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			errs = append(errs, err)
			continue
		}
		if longest == nil || last(chain) > last(longest) {
			longest = chain
		}
	}
	if len(errs) == len(boosters) {
		return nil, fmt.Errorf("%w: %w", patch.ErrNoBooster, errors.Join(errs...))
	}
	return longest, nil
}

// Announce implements patch.Peers.
func (n nodePeers) Announce(ctx context.Context, m *release.Manifest) {
	// An agent that can't be told hears of it from the booster, and one that keeps no
	// folder the same does not answer.
	_ = n.client().Announce(ctx, n.Agents(), m)
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
	_ patch.Peers = nodePeers{}
)
