package pair

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

func TestPairFailsOverAsPlanned(t *testing.T) {
	gather(t, func(c *Config) { c.Preempt = -1 }, func(c *club) {
		for _, on := range []string{"a", "a", "b", "b"} { // on the active one, and on the standby
			was := c.active()[0]
			before := c.drained[was].Load()
			if err := c.pairs[on].Failover(c.ctx); err != nil {
				t.Fatal(err)
			}
			if got := c.active(); len(got) != 1 || got[0] == was {
				t.Fatalf("%v are active", got)
			}
			time.Sleep(time.Second)
			if n := c.drained[was].Load(); n != before+1 || c.resumed[was].Load() != n {
				t.Errorf("%s was drained %d times and resumed %d times", was, n-before, c.resumed[was].Load()-before)
			}
		}
		c.wait(t, "a", 0)
		// To whom?
		c.unplug("b", true)
		time.Sleep(time.Second)
		if err := c.pairs["a"].Failover(c.ctx); !errors.Is(err, ErrNoPeer) {
			t.Errorf("failing over to nobody: %v", err)
		}
		c.unplug("b", false)
		time.Sleep(time.Second)
		// One that is stopped hands over first.
		if err := c.pairs["a"].Close(c.ctx); err != nil {
			t.Fatal(err)
		}
		c.wait(t, "b", 0)
		if err := c.pairs["a"].Failover(c.ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("failing over after the end: %v", err)
		}
	})
}

// While it drains a booster is the active one and has the address, as long as it takes.
// What Drain has done is undone when the address is off, and not before.
func TestPairDrains(t *testing.T) {
	var c *club
	const long = 20 * time.Second
	gather(t, func(conf *Config) {
		if conf.Name != "a" {
			return
		}
		conf.Drain = func(ctx context.Context) {
			for end := c.clock() + long; c.clock() < end; time.Sleep(10 * time.Millisecond) {
				if ctx.Err() != nil {
					t.Fatal("the drain was ended")
				}
				if got := c.active(); len(got) != 1 || got[0] != "a" || !c.pairs["a"].Status().VirtualIP {
					t.Fatalf("while a drains %v are active", got)
				}
			}
			c.drained["a"].Add(1)
		}
		conf.Resume = func() {
			if c.pairs["a"].Status().VirtualIP || !c.pairs["b"].Status().VirtualIP {
				t.Error("resumed before the address has moved")
			}
			c.resumed["a"].Add(1)
		}
	}, func(all *club) {
		c = all
		began := c.clock()
		if err := c.pairs["a"].Failover(c.ctx); err != nil {
			t.Fatal(err)
		}
		if took := c.clock() - began; took < long || took > long+500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Second)
		if n, m := c.drained["a"].Load(), c.resumed["a"].Load(); n != 1 || m != 1 {
			t.Errorf("drained %d times, resumed %d times", n, m)
		}
	})
}

// A drain that does not end is ended; the place is handed over all the same.
func TestPairDrainIsBounded(t *testing.T) {
	gather(t, func(conf *Config) {
		conf.DrainTimeout = 3 * time.Second
		conf.Drain = func(ctx context.Context) { <-ctx.Done() }
	}, func(c *club) {
		began := c.clock()
		if err := c.pairs["a"].Failover(c.ctx); err != nil {
			t.Fatal(err)
		}
		if took := c.clock() - began; took < 3*time.Second || took > 4*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A booster that loses its place while it drains need not drain any more.
func TestPairLosesItsPlaceWhileItDrains(t *testing.T) {
	gather(t, func(conf *Config) {
		conf.Drain = func(ctx context.Context) { <-ctx.Done() }
		conf.Preempt = -1
	}, func(c *club) {
		failed := make(chan error, 1)
		go func() { failed <- c.pairs["a"].Failover(c.ctx) }()
		time.Sleep(100 * time.Millisecond)
		c.unplug("a", true)
		time.Sleep(3 * time.Second) // it stands down, and offers nothing
		if n := c.resumed["a"].Load(); n != 1 {
			t.Errorf("resumed %d times", n)
		}
		c.unplug("a", false)
		time.Sleep(time.Second)
		c.wait(t, "b", 0)
		if err := <-failed; err != nil { // the two have changed places, if not as was meant
			t.Errorf("failing over: %v", err)
		}
	})
}

// A booster that loses its place to nobody while it drains does not wait for a successor for
// ever: when all are stopped the other one may have gone a moment before.
func TestPairLosesItsPlaceToNobody(t *testing.T) {
	gather(t, func(conf *Config) {
		conf.Drain = func(ctx context.Context) { <-ctx.Done() }
	}, func(c *club) {
		failed := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(c.ctx, 20*time.Second)
			defer cancel()
			failed <- c.pairs["a"].Failover(ctx)
		}()
		time.Sleep(100 * time.Millisecond)
		c.unplug("a", true)
		if err := <-failed; !errors.Is(err, ErrNotTaken) {
			t.Errorf("failing over: %v", err)
		}
		c.unplug("a", false)
	})
}

// A drain for nothing is taken back.
func TestPairResumes(t *testing.T) {
	var c *club
	gather(t, func(conf *Config) {
		if conf.Name == "a" {
			drain := conf.Drain
			conf.Drain = func(ctx context.Context) { drain(ctx); c.unplug("b", true) }
		}
	}, func(all *club) {
		c = all
		if err := c.pairs["a"].Failover(c.ctx); !errors.Is(err, ErrNotTaken) {
			t.Errorf("failing over: %v", err)
		}
		time.Sleep(time.Second)
		if n, m := c.drained["a"].Load(), c.resumed["a"].Load(); n != 1 || m != 1 {
			t.Errorf("drained %d times, resumed %d times", n, m)
		}
		c.wait(t, "a", 0)
	})
}

// Who asks for a failover while one that came to nothing is being taken back is told so.
func TestPairFailoverWhileItResumes(t *testing.T) {
	var c *club
	var joined chan error
	gather(t, func(conf *Config) {
		conf.Preempt = -1
		if conf.Name != "a" {
			return
		}
		joined = make(chan error, 2) // in the bubble; Close fails over, too
		conf.Drain = func(context.Context) { c.unplug("b", true) }
		conf.Resume = func() {
			c.unplug("b", false)
			time.Sleep(200 * time.Millisecond) // it is heard again
			go func() {
				ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
				defer cancel()
				joined <- c.pairs["a"].Failover(ctx)
			}()
			time.Sleep(10 * time.Millisecond)
		}
	}, func(all *club) {
		c = all
		if err := c.pairs["a"].Failover(c.ctx); !errors.Is(err, ErrNotTaken) {
			t.Errorf("failing over: %v", err)
		}
		if err := <-joined; !errors.Is(err, ErrNotTaken) {
			t.Errorf("failing over meanwhile: %v", err)
		}
	})
}

// A booster whose place was not taken is not drained again at once, however much the
// other one wishes for it.
func TestPairGoesOnInPeace(t *testing.T) {
	var c *club
	var drains atomic.Int32
	gather(t, func(conf *Config) {
		conf.Preempt = -1
		if conf.Name == "a" {
			conf.Drain = func(context.Context) { drains.Add(1); c.unplug("b", true) }
			conf.Resume = func() { c.unplug("b", false) }
		}
	}, func(all *club) {
		c = all
		ctx, cancel := context.WithTimeout(c.ctx, 30*time.Second)
		defer cancel()
		go c.pairs["b"].Failover(ctx)
		time.Sleep(9 * time.Second)
		if n := drains.Load(); n != 1 {
			t.Errorf("drained %d times in 9 s", n)
		}
		time.Sleep(5 * time.Second)
		if n := drains.Load(); n != 2 {
			t.Errorf("drained %d times in 14 s", n)
		}
	})
}
