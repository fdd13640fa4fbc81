package sequence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/history"
)

// maxNames bounds the files and deletions of a sequence that is fetched as a whole:
// what is in memory until it is known to be good.
const maxNames = 4_000_000

// Run compares the sequence with the other nodes' while this booster is the active one,
// has something take the place of a release in quarantine for which that has failed, and
// gets releases from other nodes whose files can't be read here, until ctx ends.
func (s *Sequencer) Run(ctx context.Context) {
	t := time.NewTicker(pollTime)
	defer t.Stop()
	last, tried := time.Time{}, time.Now() // of a comparison, and to open the log
	replaced := time.Time{}                // of a try to replace what is in quarantine
	var mending sync.WaitGroup
	defer mending.Wait()
	mending.Go(func() { s.mendAll(ctx) })
	for {
		woken := false
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			woken = true
		case <-t.C:
		}
		if s.chain.Trouble() != nil {
			if time.Since(tried) >= reopenTime {
				s.reopen(ctx)
				tried = time.Now()
			}
			continue // there is nothing that could be compared, or taken over
		}
		s.mu.Lock()
		s.look()
		active, ready := s.active, s.ready
		s.mu.Unlock()
		if active && (!ready || woken || time.Since(last) >= compareTime) {
			last = time.Now()
			s.compare(ctx)
		}
		if active && ready && time.Since(replaced) >= replaceTime {
			replaced = time.Now()
			s.replaceAgain(ctx)
		}
	}
}

// node is what another node says of its sequence.
type node struct {
	name    string
	booster bool
	head    release.Ref
	err     error
}

// compare finds the longest sequence of all nodes that are reached, takes it over, and
// has the other boosters follow.
func (s *Sequencer) compare(ctx context.Context) {
	s.mu.Lock()
	term, settled := s.term, s.settled
	wanted := make(map[release.Ref]bool)
	for ref := range s.unknown {
		wanted[ref] = true
	}
	s.mu.Unlock()
	nodes := s.ask(ctx)
	answered := 0
	for _, n := range nodes {
		if n.err == nil {
			answered++
		}
	}
	if err := s.begin(ctx); err != nil {
		return
	}
	defer s.end()
	s.adopt(ctx, nodes, settled)
	s.heed()
	s.renew()
	if s.settle(term, answered, wanted) {
		s.catchUp(ctx, nodes)
	}
}

// settle notes that the sequence was compared with those of so many nodes, and reports
// whether numbers can be given out now. What was wanted and is not there now, no node
// could send.
func (s *Sequencer) settle(term uint64, answered int, wanted map[release.Ref]bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.look(); !s.active || s.term != term {
		return false
	}
	now := time.Now()
	open := false
	for ref, until := range s.unknown {
		switch {
		case ref.Number <= s.view.head.Number:
			delete(s.unknown, ref)
		case until.IsZero() && wanted[ref]:
			s.log.Warn("a server has a release that no node can send; it is brought to the newest that is known", "release", ref, "newest", s.view.head)
			s.unknown[ref] = now.Add(compareTime)
		case until.IsZero():
			open = true // it was seen a moment ago
		}
	}
	if s.ready = !open && (s.settled || answered > 0 || now.Sub(s.since) >= gatherTime); !s.ready {
		return false
	}
	if !s.settled {
		s.log.Info("this booster gives out the numbers of releases", "newest", s.view.head, "approved", s.view.approved, "nodes_compared", answered)
	}
	s.settled = true
	return true
}

// ask asks all nodes that are reached for their newest release.
func (s *Sequencer) ask(ctx context.Context) []node {
	boosters, agents := s.cfg.Others()
	nodes := make([]node, 0, len(boosters)+len(agents))
	for _, name := range boosters {
		nodes = append(nodes, node{name: name, booster: true})
	}
	for _, name := range agents {
		nodes = append(nodes, node{name: name})
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() { nodes[i].head, nodes[i].err = s.client.Head(ctx, nodes[i].name) })
	}
	wg.Wait()
	return nodes
}

// adopt takes over the longest sequence. Of two of the same length this booster's own
// counts, unless it has just taken over and more nodes have the other one.
// The caller holds work.
func (s *Sequencer) adopt(ctx context.Context, nodes []node, settled bool) {
	own := s.chain.Head()
	votes := map[release.Ref]int{own: 1}
	var heads []release.Ref
	for _, n := range nodes {
		if n.err != nil || n.head.IsZero() {
			continue
		}
		if known, ok := s.chain.Ref(n.head.Number); votes[n.head] == 0 && (!ok || known != n.head) {
			heads = append(heads, n.head)
		}
		votes[n.head]++
	}
	slices.SortFunc(heads, func(a, b release.Ref) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), cmp.Compare(votes[b], votes[a]), a.Hash.Compare(b.Hash))
	})
	for _, head := range heads {
		if head.Number < own.Number || head.Number == own.Number && (settled || votes[head] <= votes[own]) {
			return
		}
		for _, n := range nodes {
			if n.err != nil || n.head != head {
				continue
			}
			err := s.fetch(ctx, n.name, head)
			if err == nil {
				s.log.Info("took over newer releases", "from", n.name, "newest", head, "before", own)
				return
			}
			s.log.Warn("newer releases of another node can't be taken over", "from", n.name, "newest", head, "own", own, "error", err)
		}
	}
}

// fetch takes over a node's sequence up to head.
func (s *Sequencer) fetch(ctx context.Context, name string, head release.Ref) error {
	ctx, cancel := context.WithTimeout(ctx, chainTime)
	defer cancel()
	err := s.follow(ctx, name, s.chain.Head().Number, head)
	if stale := (*history.StaleError)(nil); errors.As(err, &stale) || errors.Is(err, errParted) {
		err = s.follow(ctx, name, 0, head)
	}
	return err
}

// errParted: what a node has after a number is nothing that leads to its newest
// release, because the sequences part before.
var errParted = errors.New("the sequences part earlier")

// follow fetches a node's releases after a number, all of them before the first is
// taken: what would be dropped for them must not be lost for half a sequence.
func (s *Sequencer) follow(ctx context.Context, name string, after uint64, head release.Ref) error {
	var chain []*release.Manifest
	names := 0
	err := s.client.Chain(ctx, name, after, func(m *release.Manifest) error {
		if names += len(m.Files) + len(m.Deleted); names > maxNames {
			return fmt.Errorf("a sequence of more than %d files", maxNames)
		}
		chain = append(chain, m)
		return nil
	})
	if err != nil {
		return err
	}
	if len(chain) == 0 {
		return errParted
	}
	for i := 1; i < len(chain); i++ {
		if err := chain[i].Follows(chain[i-1]); err != nil {
			return err
		}
	}
	if last := chain[len(chain)-1].Ref(); last != head && last.Number <= head.Number {
		return fmt.Errorf("its sequence ends with release %s, not %s", last, head)
	}
	dropped, err := s.chain.Follow(chain, name)
	s.lost(dropped, name)
	return err
}

// catchUp copies to the other boosters if one does not have the newest release. The
// caller holds work.
func (s *Sequencer) catchUp(ctx context.Context, nodes []node) {
	head := s.chain.Head()
	if slices.ContainsFunc(nodes, func(n node) bool { return n.booster && n.err == nil && n.head != head }) {
		s.copyWithin(ctx, catchUpTime)
	}
}
