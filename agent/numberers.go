package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
)

const (
	// chainFiles and chainReleases bound what is fetched of a sequence at once, so that
	// its lists fit into memory; the rest is fetched when those are kept.
	chainFiles    = 1_000_000
	chainReleases = 128
	// headStart is how long the booster that was the active one is asked alone: a
	// release's list is large, and is sent for nothing to the others.
	headStart = time.Second
)

// numberers are the boosters, of which the active one alone gives out numbers. One that
// hangs holds nobody up for longer than headStart or askTime.
type numberers struct {
	names  func() []string
	client api.Client
	active atomic.Pointer[string] // who was it when it was last known; nil: it never was
}

func newNumberers(names func() []string, client api.Client) *numberers {
	return &numberers{names: names, client: client}
}

// ordered are the boosters, and how many of them are to be asked at first: the one that
// was the active one, or all.
func (n *numberers) ordered() (names []string, first int) {
	names = n.names()
	if active := n.active.Load(); active != nil {
		if i := slices.Index(names, *active); i >= 0 {
			names[0], names[i] = names[i], names[0]
			return names, 1
		}
	}
	return names, len(names)
}

// Propose implements patch.Peers: it asks the booster that was the active one, and the
// others too when that one does not answer, or is not the active one any more.
func (n *numberers) Propose(ctx context.Context, p api.Proposal) error {
	names, first := n.ordered()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		from string
		err  error
	}
	results := make(chan result, len(names))
	asked := 0
	ask := func(most int) {
		for ; asked < most; asked++ {
			name := names[asked]
			go func() {
				_, err := n.client.Propose(ctx, name, p)
				results <- result{name, err}
			}()
		}
	}
	ask(first)
	late := time.NewTimer(headStart)
	defer late.Stop()
	errs := []error{patch.ErrNoBooster}
	for answers := 0; answers < len(names); {
		select {
		case <-late.C:
		case r := <-results:
			answers++
			var stale *history.StaleError
			if r.err == nil || errors.As(r.err, &stale) || errors.Is(r.err, api.ErrRefused) || errors.Is(r.err, api.ErrChanging) {
				n.active.Store(&r.from)
				return r.err // the others find out from the active one
			}
			errs = append(errs, r.err)
		}
		ask(len(names))
	}
	return errors.Join(errs...)
}

// errEnough ends the fetching of a sequence for now.
var errEnough = errors.New("that is enough at once")

// Chain implements patch.Peers: of what the boosters have, it takes the longest.
func (n *numberers) Chain(ctx context.Context, after uint64) ([]*release.Manifest, error) {
	names, errs := n.byLength(ctx)
	for _, name := range names {
		chain, err := n.chain(ctx, name, after)
		if err == nil {
			return chain, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("%w: %w", patch.ErrNoBooster, errors.Join(errs...))
}

// byLength are the boosters that say within askTime how long their sequence is, the
// longest first, and why the others do not.
func (n *numberers) byLength(ctx context.Context) (names []string, errs []error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	all := n.names()
	heads := make(map[string]uint64)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, name := range all {
		wg.Go(func() {
			head, err := n.client.Head(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			heads[name] = head.Number
			names = append(names, name)
		})
	}
	wg.Wait()
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(heads[b], heads[a]), cmp.Compare(a, b)) })
	return names, errs
}

// chain fetches what one booster has, or the beginning of it.
func (n *numberers) chain(ctx context.Context, booster string, after uint64) (chain []*release.Manifest, err error) {
	files := 0
	err = n.client.Chain(ctx, booster, after, func(m *release.Manifest) error {
		chain = append(chain, m)
		if files += len(m.Files); files > chainFiles || len(chain) == chainReleases {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return chain, nil
}
