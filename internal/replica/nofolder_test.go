package replica

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

// withStranger has one peer more, which keeps no folder.
type withStranger struct{ Peers }

func (p withStranger) Alive() []string { return append(p.Peers.Alive(), "stranger") }

func (p withStranger) Push(ctx context.Context, peer string, entries []Entry) error {
	if peer == "stranger" {
		return ErrNoFolder
	}
	return p.Peers.Push(ctx, peer, entries)
}

func (p withStranger) Digest(ctx context.Context, peer string) (Digest, error) {
	if peer == "stranger" {
		return Digest{}, ErrNoFolder
	}
	return p.Peers.Digest(ctx, peer)
}

// TestPeerWithoutFolder: an agent that replicates nothing is not waited for, but for some
// seconds in which it may just have been started, and nothing is said of it again and again.
func TestPeerWithoutFolder(t *testing.T) {
	c := newCluster(t, "b")
	a := c.start("a", func(cfg *Config) { cfg.Peers = withStranger{cfg.Peers} })
	ctx, cancel := context.WithTimeout(t.Context(), observe.Patience)
	defer cancel()
	observe.Eventually(t, "it is in line with those that keep the folder", func() bool { return a.Sync(ctx) == nil })
	a.write("f", "1")
	c.hold(map[string]string{"f": "1"})
	if log := a.log.String(); strings.Contains(log, "level=WARN") {
		t.Error(log)
	}
}

// TestNoFolder: the first answers of a peer are not its last word.
func TestNoFolder(t *testing.T) {
	a := newCluster(t, "a").node("a")
	l := &link{peer: "stranger"}
	for i := range 5 {
		if err := a.noFolder(l, ErrNoFolder); err == nil {
			t.Errorf("answer %d is its last word", i)
		}
		l.none = time.Now() // so that it does not matter how long the loop takes
	}
	l.none = time.Now().Add(-sureAfter)
	for range 2 {
		if err := a.noFolder(l, ErrNoFolder); err != nil || !l.sure {
			t.Errorf("after %s: %v", sureAfter, err)
		}
	}
	other := errors.New("it does not answer")
	if err := a.noFolder(l, other); err != other {
		t.Error(err)
	}
	if err := a.noFolder(l, ErrNoFolder); err == nil {
		t.Error("what it said before it was away counts")
	}
}

// TestAwayBesidePeerWithoutFolder: a node that was away for long does not wait for the word
// of a peer that has none.
func TestAwayBesidePeerWithoutFolder(t *testing.T) {
	c := newCluster(t)
	a := c.start("a", func(cfg *Config) { cfg.Peers = withStranger{cfg.Peers} })
	a.mu.Lock()
	a.journal.met = time.Now().Add(-10 * DefaultTombstoneLife)
	a.mu.Unlock()
	if d, err := a.Digest(); err != nil || !d.Away {
		t.Fatalf("it is not away: %v", err)
	}
	a.wakeLinks()
	observe.Eventually(t, "it is there again", func() bool { d, err := a.Digest(); return err == nil && !d.Away })
}

func (n *node) wakeLinks() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.links {
		l.compare = true
		wake(l.wake)
	}
}
