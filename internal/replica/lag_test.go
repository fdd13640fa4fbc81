package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

// gate is shut until it is opened.
type gate struct{ open atomic.Bool }

// pass waits until the gate is open.
func (g *gate) pass(ctx context.Context) error {
	for !g.open.Load() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// gated has digests and contents wait at gates, which are shut at first.
type gated struct {
	Peers
	digest, fetch gate
}

func (g *gated) Digest(ctx context.Context, peer string) (Digest, error) {
	if err := g.digest.pass(ctx); err != nil {
		return Digest{}, err
	}
	return g.Peers.Digest(ctx, peer)
}

func (g *gated) Fetch(ctx context.Context, peer string, b Blob) (io.ReadCloser, error) {
	if err := g.fetch.pass(ctx); err != nil {
		return nil, err
	}
	return g.Peers.Fetch(ctx, peer, b)
}

// lag waits until a node's lag is as wanted.
func (n *node) lag(what string, want Lag) {
	n.c.Helper()
	observe.Succeeds(n.c, what, func() error {
		if got := n.Lag(); got != want {
			return fmt.Errorf("%+v, want %+v", got, want)
		}
		return nil
	})
}

// TestLagOfOneThatComesBack: a node that was off does not know what it lacks until it has
// compared, and then knows at once.
func TestLagOfOneThatComesBack(t *testing.T) {
	c := newCluster(t, "a", "b")
	c.linked()
	want := c.fill(3)
	c.node("b").lag("nothing is missing", Lag{})
	c.stop("b")
	for _, name := range []string{"new/1", "new/2"} {
		c.node("a").write(name, name)
		want[name] = name
	}
	c.node("a").lag("one that stays alone knows what it knew", Lag{})
	observe.Eventually(t, "a has taken them in", func() bool { return c.node("a").Status().Files == len(want) })
	gate := &gated{Peers: &peers{c, "b"}}
	b := c.start("b", func(cfg *Config) { cfg.Peers = gate })
	for range 3 {
		b.lookNow()
		if got := b.Lag(); !got.Uncompared {
			t.Errorf("before it has compared: %+v", got)
		}
	}
	gate.digest.open.Store(true)
	var first Lag
	observe.Eventually(t, "it has compared", func() bool { first = b.Lag(); return !first.Uncompared })
	if first != (Lag{Missing: 2}) {
		t.Errorf("as soon as it has compared: %+v", first)
	}
	gate.fetch.open.Store(true)
	b.lag("all came", Lag{})
	c.hold(want)
}

// lookNow has the node look who is alive.
func (n *node) lookNow() {
	n.c.Helper()
	done := make(chan struct{})
	select {
	case n.calls <- func(ctx context.Context) { n.look(ctx); close(done) }:
		<-done
	case <-n.ended:
		n.c.Fatal("the replica is closed")
	}
}

// TestLagOfOneThatWasCutOff: a node that finds nobody any more goes by what it knew; when
// it finds others again it has to compare first.
func TestLagOfOneThatWasCutOff(t *testing.T) {
	c := newCluster(t, "a")
	gate := &gated{Peers: &peers{c, "b"}}
	b := c.start("b", func(cfg *Config) { cfg.Peers = gate })
	b.lookNow()
	if got := b.Lag(); !got.Uncompared {
		t.Errorf("before it has compared: %+v", got)
	}
	gate.digest.open.Store(true)
	b.lag("it has compared", Lag{})
	c.isolate("b", true)
	b.lookNow()
	c.node("a").write("f", "1")
	observe.Eventually(t, "a has taken it in", func() bool { return c.node("a").Status().Files == 1 })
	if got := b.Lag(); got != (Lag{}) {
		t.Errorf("alone: %+v", got)
	}
	gate.digest.open.Store(false)
	c.isolate("b", false)
	b.lookNow()
	if got := b.Lag(); !got.Uncompared {
		t.Errorf("back, and not compared: %+v", got)
	}
	gate.digest.open.Store(true)
	var first Lag
	observe.Eventually(t, "it has compared again", func() bool { first = b.Lag(); return !first.Uncompared })
	if first != (Lag{Missing: 1}) {
		t.Errorf("as soon as it has compared: %+v", first)
	}
	gate.fetch.open.Store(true)
	b.lag("all came", Lag{})
}

// TestLagBesidePeersThatDontAnswer: a node has to have compared with all that are alive,
// but one that comes later changes nothing.
func TestLagBesidePeersThatDontAnswer(t *testing.T) {
	c := newCluster(t, "a", "b")
	silent := &silent{Peers: &peers{c, "c"}, peer: "b"}
	n := c.start("c", func(cfg *Config) { cfg.Peers = silent })
	observe.Eventually(t, "a was compared with", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.links["a"] != nil && n.links["a"].known
	})
	if got := n.Lag(); !got.Uncompared {
		t.Errorf("b was not compared with: %+v", got)
	}
	c.stop("b")
	n.lag("b is gone", Lag{})
	c.start("b", nil)
	n.lookNow()
	if got := n.Lag(); got != (Lag{}) {
		t.Errorf("b came, and does not answer: %+v", got)
	}
}

// silent has one peer that can't be asked.
type silent struct {
	Peers
	peer string
}

func (s *silent) Digest(ctx context.Context, peer string) (Digest, error) {
	if peer == s.peer {
		return Digest{}, errCut
	}
	return s.Peers.Digest(ctx, peer)
}

// TestLagOfOneAlone: one that has met nobody since its start may lack anything.
func TestLagOfOneAlone(t *testing.T) {
	a := newCluster(t, "a").node("a")
	a.lookNow()
	if got := a.Lag(); got != (Lag{Uncompared: true}) {
		t.Errorf("%+v", got)
	}
}

// TestLagOfFailures: what could not be fetched is missing.
func TestLagOfFailures(t *testing.T) {
	c := newCluster(t, "a", "b")
	c.linked()
	c.mu.Lock()
	c.bare["a"] = true
	c.mu.Unlock()
	c.node("a").write("f", "1")
	c.node("b").lag("it can't be fetched", Lag{Missing: 1})
	c.mu.Lock()
	c.bare["a"] = false
	c.mu.Unlock()
	c.node("b").lag("it came", Lag{})
}

// TestLagOfAWipe: in a folder whose files are gone all are missing, until they were fetched
// again.
func TestLagOfAWipe(t *testing.T) {
	c := newCluster(t, "a")
	gate := &gated{Peers: &peers{c, "b"}}
	gate.digest.open.Store(true)
	b := c.start("b", func(cfg *Config) { cfg.Peers = gate })
	for i := range 20 {
		b.write(fmt.Sprint("f", i), "1")
	}
	observe.Eventually(t, "a has all", func() bool { s := c.node("a").Status(); return s.Files == 20 && s.Missing == 0 })
	b.lag("nothing is missing", Lag{})
	if err := os.Rename(b.root, b.root+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(b.root, 0o755); err != nil {
		t.Fatal(err)
	}
	b.lag("all are missing", Lag{Missing: 20})
	if err := b.Restore(); err != nil {
		t.Fatal(err)
	}
	if got := b.Lag(); got != (Lag{Missing: 20}) {
		t.Errorf("while they are fetched again: %+v", got)
	}
	gate.fetch.open.Store(true)
	b.lag("all are back", Lag{})
}

// TestOverdue: what was asked for just now is not overdue unless it has failed.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		defer q.close()
		check := func(what string, ago time.Duration, want int) {
			t.Helper()
			if got := q.overdue(time.Now().Add(-ago)); got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		check("nothing", 0, 0)
		q.want("a")
		check("by now", 0, 1)
		check("a second ago", time.Second, 0)
		time.Sleep(time.Second)
		check("after a second", time.Second, 1)
		a := q.next()
		q.want("a")
		q.done(a, nil)
		check("asked for again", time.Second, 0)
		q.done(q.next(), errors.New("bad"))
		check("failed", time.Second, 1)
		q.done(q.next(), fmt.Errorf("path a: %w", errChanged))
		check("is to be taken in", 5*time.Second, 0)
		q.done(q.next(), nil)
		check("done", 0, 0)
	})
}
