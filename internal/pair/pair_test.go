package pair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/testbed/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire carries packets between pairs and witnesses of one process, at once and
// in order, one goroutine for each receiver.
type wire struct {
	clock func() time.Duration
	mu    sync.Mutex
	to    map[string]chan func()
	cut   map[string]bool // nodes that neither send nor receive
}

func newWire() *wire {
	began := time.Now()
	return &wire{
		clock: func() time.Duration { return time.Since(began) + time.Hour },
		to:    make(map[string]chan func()),
		cut:   make(map[string]bool),
	}
}

func (w *wire) send(from, to string, take func([]byte), b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.to[to]; ch != nil && !w.cut[from] && !w.cut[to] {
		ch <- func() { take(b) }
	}
}

func (w *wire) unplug(name string, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[name] = cut
}

// club are two pairs and three witnesses on a wire.
type club struct {
	*wire
	ctx       context.Context // of the bubble
	pairs     map[string]*Pair
	desks     map[string]*desk
	witnesses map[string]*Witness
	drained   map[string]*atomic.Int32 // how often
	resumed   map[string]*atomic.Int32
	told      map[string]*atomic.Pointer[Status]
}

// gather runs f with both boosters started in a bubble.
func gather(t *testing.T, change func(*Config), f func(c *club)) {
	dirs := map[string]string{"a": t.TempDir(), "b": t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		c := &club{
			wire: newWire(), pairs: map[string]*Pair{}, desks: map[string]*desk{}, witnesses: map[string]*Witness{},
			drained: map[string]*atomic.Int32{"a": {}, "b": {}}, resumed: map[string]*atomic.Int32{"a": {}, "b": {}}, told: map[string]*atomic.Pointer[Status]{"a": {}, "b": {}},
		}
		ctx, cancel := context.WithCancel(t.Context())
		c.ctx = ctx
		var wg sync.WaitGroup
		for _, name := range []string{"a", "b", "w1", "w2", "w3"} {
			ch := make(chan func(), 1000)
			c.to[name] = ch
			wg.Go(func() {
				for {
					select {
					case do := <-ch:
						do()
					case <-ctx.Done():
						return
					}
				}
			})
			if strings.HasPrefix(name, "w") {
				w, err := NewWitness(WitnessConfig{Name: name, clock: c.clock})
				if err != nil {
					t.Fatal(err)
				}
				c.witnesses[name] = w
				continue
			}
			d := &desk{clock: c.clock, removed: make(chan struct{}, 1), there: true} // as a crash leaves it
			conf := Config{
				Name: name, Role: Primary, StateDir: dirs[name], Address: d, Guard: d, clock: c.clock,
				Logger:  slog.New(slog.DiscardHandler),
				Send:    func(to string, b []byte) error { return c.deliver(name, to, b) },
				Drain:   func(context.Context) { c.drained[name].Add(1) },
				Resume:  func() { c.resumed[name].Add(1) },
				Changed: func(s Status) { c.told[name].Store(&s) },
			}
			if name == "b" {
				conf.Role = Secondary
			}
			if change != nil {
				change(&conf)
			}
			p, err := New(conf)
			if err != nil {
				t.Fatal(err)
			}
			if d.there {
				t.Error("what an earlier run left is not taken off")
			}
			c.pairs[name], c.desks[name] = p, d
		}
		for name, p := range c.pairs {
			p.Start()
			p.SetPeer(map[string]string{"a": "b", "b": "a"}[name])
			p.SetAgents([]string{"w1", "w2", "w3"})
		}
		c.wait(t, "a", 5*time.Second)
		time.Sleep(time.Second)
		f(c)
		ctxClose, cancelClose := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancelClose()
		for _, name := range []string{"a", "b"} {
			_ = c.pairs[name].Close(ctxClose)
		}
		cancel()
		wg.Wait()
		for name, d := range c.desks {
			if d.there {
				t.Errorf("%s has left the address behind", name)
			}
		}
	})
}

func (c *club) deliver(from, to string, b []byte) error {
	switch p, w := c.pairs[to], c.witnesses[to]; {
	case p != nil:
		c.send(from, to, p.Receive, b)
	case w != nil:
		c.send(from, to, func(b []byte) {
			w.Receive(b, func(b []byte) error { return c.deliver(to, from, b) })
		}, b)
	default:
		return fmt.Errorf("nobody is named %s", to)
	}
	return nil
}

func (c *club) active() (names []string) {
	for name, p := range c.pairs {
		if p.Active() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// wait waits until only name is active, for at most d of the bubble's time.
func (c *club) wait(t *testing.T, name string, d time.Duration) time.Duration {
	t.Helper()
	for began := c.clock(); ; time.Sleep(time.Millisecond) {
		took := c.clock() - began
		if slices.Equal(c.active(), []string{name}) {
			return took
		}
		if took > d {
			t.Fatalf("after %v %v are active", took, c.active())
		}
	}
}

func TestPairFailsOver(t *testing.T) {
	gather(t, nil, func(c *club) {
		a, b := c.pairs["a"], c.pairs["b"]
		if s := a.Status(); s.State != Active || !s.Held || s.Term != 1 || s.Peer != "b" || !s.PeerHeard || !s.VirtualIP || len(s.Witnesses) != 3 || !s.Witnesses[0].Heard || s.Problem != "" {
			t.Errorf("a: %+v", s)
		}
		if s := b.Status(); s.State != Standby || s.Held || s.Term != 1 || !s.PeerActive || s.VirtualIP {
			t.Errorf("b: %+v", s)
		}
		if l, ok := a.Lease(); !ok || l.Term != 1 || l.Until <= c.clock() || l.Until > c.clock()+leaseOf(DefaultFailover) {
			t.Errorf("a's lease: %+v, %v", l, ok)
		}
		c.unplug("a", true)
		if took := c.wait(t, "b", time.Second); took > 300*time.Millisecond {
			t.Errorf("b takes over after %v", took)
		}
		if c.desks["a"].there {
			t.Error("a has the address")
		}
		if name, term := c.witnesses["w1"].Active(); name != "b" || term != 2 {
			t.Errorf("w1 hears %q in term %d", name, term)
		}
		c.unplug("a", false)
		time.Sleep(2 * time.Second)
		c.wait(t, "b", 0)
		if s := c.told["b"].Load(); s == nil || s.State != Active {
			t.Errorf("told of b: %+v", s)
		}
		if n := b.Metrics().Takeovers; n != 1 {
			t.Errorf("b took over %d times", n)
		}
		// The primary is well, and has its place again.
		c.wait(t, "a", DefaultPreempt)
		if c.drained["b"].Load() != 1 {
			t.Error("b was not drained")
		}
	})
}

func TestPairAndGarbage(t *testing.T) {
	gather(t, nil, func(c *club) {
		a := c.pairs["a"]
		for i := range 10_000 {
			a.Receive([]byte(fmt.Sprintf(`{"v":1,"k":"beat","f":"b","t":"a","r":%d,"s":1,"o":"secondary","st":"active","n":99}`, i+1)))
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		a.Receive(make([]byte, MaxMessage+1))
		a.Receive([]byte("garbage"))
		w := c.witnesses["w1"]
		before := w.Refused() // first messages of a run are
		for range 100 {
			w.Receive([]byte("garbage"), func([]byte) error { t.Error("garbage is answered"); return nil })
		}
		time.Sleep(time.Second)
		c.wait(t, "a", 0)
		if m := a.Metrics(); m.Refused+m.Dropped < 10_002 || m.SendFailed != 0 || a.Status().Term != 1 {
			t.Errorf("%+v, %+v", m, a.Status())
		}
		if n := w.Refused() - before; n != 100 {
			t.Errorf("the witness counts %d", n)
		}
	})
}

// What the owners must put right is logged when it is seen, and once.
func TestPairLogsItsProblem(t *testing.T) {
	logs := map[string]*observe.Buffer{"a": {}, "b": {}}
	gather(t, func(c *Config) {
		c.Role, c.Logger = Primary, slog.New(slog.NewTextHandler(logs[c.Name], nil))
	}, func(c *club) {
		told := 0
		for name, log := range logs {
			shown := strings.Count(c.pairs[name].Status().Problem, "same role") // by the second one, if not by both
			if n := strings.Count(log.String(), "same role"); n != shown {
				t.Errorf("%s logs it %d times, and shows it %d times", name, n, shown)
			}
			told += shown
		}
		if told == 0 {
			t.Error("it is not told")
		}
	})
}

// A disk that is full is told of, and holds nothing up that is decided.
func TestPairCannotSave(t *testing.T) {
	gather(t, func(c *Config) { c.Preempt = -1 }, func(c *club) {
		b := c.pairs["b"]
		if err := os.RemoveAll(b.cfg.StateDir); err != nil {
			t.Fatal(err)
		}
		c.unplug("a", true)
		c.wait(t, "b", time.Second) // its term is saved already
		time.Sleep(2 * time.Second)
		if s := b.Status(); !strings.Contains(s.Problem, "save pair state") || !s.Held {
			t.Errorf("%+v", s)
		}
		if err := os.Mkdir(b.cfg.StateDir, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if s := b.Status(); s.Problem != "" {
			t.Errorf("%+v", s)
		}
	})
}

func TestConfig(t *testing.T) {
	good := Config{Name: "a", Role: Primary, StateDir: t.TempDir(), Send: func(string, []byte) error { return nil }}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Config){
		"no name":        func(c *Config) { c.Name = "" },
		"no role":        func(c *Config) { c.Role = "" },
		"hasty":          func(c *Config) { c.Failover = MinFailover - 1 },
		"slow":           func(c *Config) { c.Failover = MaxFailover + 1 },
		"relative":       func(c *Config) { c.StateDir = "x" },
		"mute":           func(c *Config) { c.Send = nil },
		"unguarded":      func(c *Config) { c.Address = &desk{} },
		"negative drain": func(c *Config) { c.DrainTimeout = -1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if err := os.WriteFile(storePath(good.StateDir), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(good); err == nil {
		t.Error("a damaged state is accepted")
	}
	good.StateDir = t.TempDir()
	good.Address, good.Guard = &desk{fail: map[string]error{"remove": errors.New("no right to it")}}, &desk{}
	if _, err := New(good); err == nil {
		t.Error("an address that can't be taken off is accepted")
	}
	if _, err := NewWitness(WitnessConfig{Name: "/"}); err == nil {
		t.Error("a witness without a name is accepted")
	}
}

// Beats that have come in and lie unread are no silence.
func TestPairReadsBeforeItTakesOver(t *testing.T) {
	dir := t.TempDir()
	for range 20 { // the order of what is ready at once is random
		synctest.Test(t, func(t *testing.T) {
			p, err := New(Config{
				Name: "a", Role: Primary, StateDir: dir, clock: newWire().clock,
				Send: func(string, []byte) error { return nil }, Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			m := p.m // it has been told nothing since long, without witnesses
			m.setPeer("b")
			m.peer.link.run, m.peer.link.seq = 7, 1
			m.met, m.quiet, m.reserved = true, m.now-time.Minute, m.next()
			b, err := message{Kind: kindBeat, From: "b", To: "a", Run: 7, Seq: 2, Role: Secondary, State: Active}.encode()
			if err != nil {
				t.Fatal(err)
			}
			p.inbox <- b
			p.Start()
			synctest.Wait()
			if s := p.Status(); s.State != Standby || !s.PeerActive {
				t.Errorf("%+v", s)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
