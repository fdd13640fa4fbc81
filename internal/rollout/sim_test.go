package rollout

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

// world is a simulated cluster: boosters with real Coordinators, agents with real
// Tenants, server processes, the flow queue and its journal. All of it runs on
// synctest's clock.
type world struct {
	t   *testing.T
	ctx context.Context
	end context.CancelFunc
	wg  sync.WaitGroup
	log *slog.Logger
	out *observe.Buffer

	mu       sync.Mutex
	rng      *rand.Rand
	boosters []*simBooster
	servers  []*simServer
	cuts     map[[2]string]time.Time // links that are cut, since when
	version  int                     // of marks
	term     uint64
	noPair   bool // the test says who is active

	rows     map[int64]*item
	rowID    int64
	tickets  []*ticket
	gap      time.Duration // between two steps, when a ticket has no row
	restored int           // tickets that were put back from there
	siftErr  error         // of looking for them
	dbDown   bool
	blind    bool   // no agent can read the journal
	changing string // the server that works on a control request
	boot     time.Duration
	blur     time.Duration // how long boosters don't see that a server is down
	faulty   bool          // servers may be missing that nobody has stopped on purpose
	loading  bool
	problems []string
	// leadEnded is when a lead process ended last.
	leadEnded time.Time
	vacancies int // that a new lead was told of
	releases  *simReleases
}

// simulate runs a test in a world of the given size, and checks what must always hold.
func simulate(t *testing.T, boosters, servers int, seed uint64, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(context.Background())
		w := &world{
			t: t, ctx: ctx, end: end, out: &observe.Buffer{}, rng: rand.New(rand.NewPCG(seed, 1)),
			cuts: make(map[[2]string]time.Time), rows: make(map[int64]*item), boot: 2 * time.Second,
		}
		w.releases = &simReleases{w: w, bad: make(map[uint64]bool)}
		w.log = slog.New(slog.NewTextHandler(w.out, nil))
		defer func() {
			end()
			w.wg.Wait()
			if t.Failed() {
				t.Logf("seed %d\n%s", seed, w.out.String())
			}
		}()
		for i := range boosters {
			w.boosters = append(w.boosters, &simBooster{w: w, name: fmt.Sprintf("booster-%c", 'a'+i)})
		}
		for i := range servers {
			w.addServer(fmt.Sprintf("s%d", i+1))
		}
		for _, b := range w.boosters {
			b.start()
		}
		w.go_(w.pair)
		w.go_(w.gossip)
		for _, s := range w.servers {
			s.agent.start()
		}
		test(w)
		w.check()
	})
}

func (w *world) go_(f func()) {
	w.wg.Go(f)
}

// sleep waits, and reports false when the test is over. Not with a timer of no time at all:
// in a bubble, with the race detector, Go 1.26.8 once crashed in a select on one that had
// expired already (runtime.(*timer).maybeRunChan).
func (w *world) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(max(d, time.Nanosecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (w *world) pass(d time.Duration) { w.sleep(w.ctx, d) }

func (w *world) note(format string, args ...any) { w.log.Info("sim: " + fmt.Sprintf(format, args...)) }

// problem notes that a promise was broken. The caller holds w.mu.
func (w *world) problem(format string, args ...any) {
	p := fmt.Sprintf(format, args...)
	w.log.Error("sim: " + p)
	w.problems = append(w.problems, p)
}

func (w *world) check() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, p := range w.problems {
		if i == 5 {
			w.t.Errorf("and %d more", len(w.problems)-i)
			break
		}
		w.t.Error(p)
	}
	w.problems = nil
}

// until polls until cond, which is called with w.mu held, is true.
func (w *world) until(limit time.Duration, what string, cond func() bool) {
	w.t.Helper()
	begun := time.Now()
	for {
		w.mu.Lock()
		ok := cond()
		w.mu.Unlock()
		if ok {
			w.note("%s after %s", what, time.Since(begun))
			return
		}
		if time.Since(begun) > limit {
			w.check()
			w.t.Fatalf("not within %s: %s", limit, what)
		}
		w.pass(50 * time.Millisecond)
	}
}

// during checks that cond, called with w.mu held, holds all the time.
func (w *world) during(d time.Duration, what string, cond func() bool) {
	w.t.Helper()
	for begun := time.Now(); time.Since(begun) < d; w.pass(50 * time.Millisecond) {
		w.mu.Lock()
		ok := cond()
		w.mu.Unlock()
		if !ok {
			w.t.Fatalf("after %s, not: %s", time.Since(begun), what)
		}
	}
}

// do runs f with w.mu held.
func (w *world) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func link(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

// cut separates two nodes, join joins them again. The caller holds w.mu.
func (w *world) cut(a, b string) {
	if _, ok := w.cuts[link(a, b)]; !ok {
		w.cuts[link(a, b)] = time.Now()
	}
}
func (w *world) join(a, b string) { delete(w.cuts, link(a, b)) }
func (w *world) linked(a, b string) bool {
	_, cut := w.cuts[link(a, b)]
	return !cut
}

// lead returns the server with a lead process, or nil. The caller holds w.mu.
func (w *world) lead() *simServer {
	for _, s := range w.servers {
		if s.proc != nil && s.proc.lead {
			return s
		}
	}
	return nil
}

// leadUp returns the server that is up as the lead, or nil. The caller holds w.mu.
func (w *world) leadUp() *simServer {
	if s := w.lead(); s != nil && s.up() {
		return s
	}
	return nil
}

// atRest reports whether all is as it should be: one lead, everyone up, nothing out or
// held, all tickets done. The caller holds w.mu.
func (w *world) atRest() bool {
	if w.leadUp() == nil || len(w.rows) > 0 || slices.ContainsFunc(w.tickets, func(t *ticket) bool { return t.between != nil }) {
		return false
	}
	for _, s := range w.servers {
		if !s.gone && (!s.up() || s.proc.stale) {
			return false
		}
	}
	for _, b := range w.boosters {
		if o := b.inForce(); b.alive && (o.Hold || len(o.Out) > 0) {
			return false
		}
	}
	return true
}

// settled waits until all is at rest, and checks that every ticket's steps have run
// exactly once.
func (w *world) settled(limit time.Duration) {
	w.t.Helper()
	w.until(limit, "the cluster is at rest", w.atRest)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tickets {
		t.check(w)
	}
}

// starts counts the starts of all servers.
func (w *world) starts() map[string]int {
	n := make(map[string]int)
	for _, s := range w.servers {
		n[s.name] = s.starts
	}
	return n
}
