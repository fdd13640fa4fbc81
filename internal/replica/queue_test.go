package replica

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/watch"
)

// TestQueue: paths come in order, failed ones again after a while, each to one worker
// at a time.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		defer q.close()
		q.want("a")
		q.want("b")
		q.want("a")
		a, b := q.next(), q.next()
		if a.path != "a" || b.path != "b" {
			t.Fatalf("%q, %q", a.path, b.path)
		}
		q.want("b") // while it is worked on
		q.done(b, nil)
		began := time.Now()
		if again := q.next(); again != b || time.Since(began) != 0 {
			t.Fatalf("%q after %s", again.path, time.Since(began))
		}
		q.done(b, nil)
		bad := errors.New("bad")
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			q.done(a, bad)
			if n, path, err := q.failing(); n != 1 || path != "a" || err != bad {
				t.Errorf("failing: %d, %q, %v", n, path, err)
			}
			if err := q.rest(t.Context()); err != nil {
				t.Error(err)
			}
			began := time.Now()
			if a = q.next(); time.Since(began) != want*time.Second {
				t.Errorf("again after %s, want %d s", time.Since(began), want)
			}
		}
		q.done(a, bad)
		q.want("a") // is new: no wait
		began = time.Now()
		if a = q.next(); time.Since(began) != 0 {
			t.Errorf("again after %s", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.rest(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("rests while a path is worked on: %v", err)
		}
		q.done(a, nil)
		q.pause(true)
		q.want("c")
		got := make(chan *task)
		go func() { got <- q.next(); got <- q.next() }()
		synctest.Wait()
		select {
		case task := <-got:
			t.Errorf("%q was handed out in a pause", task.path)
		default:
		}
		q.pause(false)
		if task := <-got; task.path != "c" {
			t.Errorf("%q", task.path)
		}
		q.close()
		if task := <-got; task != nil {
			t.Errorf("%q after the end", task.path)
		}
	})
}

// TestHolder: few removals go at once, many wait until no more come.
func TestHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h holder
		now := time.Now()
		if h.many(0, now) || h.many(fewRemovals, now) || !h.many(fewRemovals+1, now) {
			t.Error("how many are many")
		}
		h.told = 8
		if !h.many(3, now.Add(removalWindow)) || h.many(3, now.Add(removalWindow+1)) {
			t.Error("what counts as at once")
		}
		if h.due() != nil {
			t.Error("nothing waits")
		}
		change := func(n int) watch.Change { return watch.Change{Removed: make([]watch.Entry, n)} }
		wait := func(want time.Duration) {
			t.Helper()
			began := time.Now()
			<-h.due()
			if time.Since(began) != want {
				t.Errorf("after %s, want %s", time.Since(began), want)
			}
		}
		h.keep(change(20), 2*time.Second)
		time.Sleep(time.Second)
		h.keep(change(20), 2*time.Second) // no more than before
		wait(time.Second)
		h.drop()
		h.keep(change(20), 2*time.Second)
		time.Sleep(time.Second)
		h.keep(change(30), 2*time.Second)
		wait(2 * time.Second)
	})
}

func TestValidate(t *testing.T) {
	good := Config{Root: "/srv/uploads", StateDir: "/var/lib/x", Node: "a", Peers: &peers{}}
	if err := good.Validate(); err != nil {
		t.Errorf("%v", err)
	}
	for what, spoil := range map[string]func(*Config){
		"no folder":         func(c *Config) { c.Root = "" },
		"relative":          func(c *Config) { c.Root = "uploads" },
		"no state":          func(c *Config) { c.StateDir = "" },
		"state in folder":   func(c *Config) { c.StateDir = "/srv/uploads/.state" },
		"state is folder":   func(c *Config) { c.StateDir = c.Root },
		"no node":           func(c *Config) { c.Node = "" },
		"node with slash":   func(c *Config) { c.Node = "a/b" },
		"no peers":          func(c *Config) { c.Peers = nil },
		"negative":          func(c *Config) { c.Transfers = -1 },
		"negative settle":   func(c *Config) { c.Settle = -1 },
		"short memory":      func(c *Config) { c.TombstoneLife = time.Minute },
		"bad pattern":       func(c *Config) { c.Rules.Exclude = []string{"["} },
		"settle over limit": func(c *Config) { c.Settle, c.MaxSettle = time.Minute, time.Second },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}
