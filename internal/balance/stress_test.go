package balance

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNothingIsLostInTheRush drives the way without a lock and the one with it
// against each other: no server may see more than its capacity, and no request
// may be left waiting while a slot is free.
func TestNothingIsLostInTheRush(t *testing.T) {
	const (
		clients  = 48
		each     = 400
		capacity = 3
	)
	start := time.Now()
	b, err := New(Config{}, start)
	if err != nil {
		t.Fatal(err)
	}
	specs := servers(3, capacity)
	if err := b.Update(start, specs); err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		b.SetHealth(start, s.Name, Up, "")
	}
	b.mu.Lock() // no slow start in this test: the capacity is what is tested
	table := b.table.Load()
	b.mu.Unlock()
	running := make(map[*Server]*atomic.Int64)
	for _, s := range table.servers {
		running[s] = new(atomic.Int64)
	}

	stop := make(chan struct{})
	var churn sync.WaitGroup
	churn.Go(func() { // drains, holds, leads that change, and ticks meanwhile
		for {
			select {
			case <-stop:
				return
			default:
				b.SetMark(time.Now(), "s2", Drain)
				b.SetHold(time.Now(), true)
				b.SetLead(time.Now(), "s3")
				b.Tick(time.Now())
				b.SetBehind(time.Now(), map[string]string{"s1": "", "s2": ""})
				b.SetMark(time.Now(), "s2", NoMark)
				b.SetHold(time.Now(), false)
				b.SetLead(time.Now(), "s1")
				b.SetBehind(time.Now(), nil)
			}
		}
	})

	var served atomic.Int64
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range each {
				r := Request{Lane: Lane(c % Lanes), Session: uint64(c + 1), Work: i%3 == 0}
				r.ToLead = r.Lane == Control || r.Lane == File
				if r.Lane == Session && i%2 == 0 {
					r.Sticky = IDOf("s2")
				}
				g, w, err := b.Acquire(time.Now(), &r)
				if err != nil {
					t.Error(err)
					return
				}
				if w != nil {
					if i%16 == 5 { // a client that goes away
						b.Cancel(time.Now(), w)
						served.Add(1)
						continue
					}
					select {
					case g = <-w.C:
					case <-time.After(20 * time.Second):
						t.Errorf("a request of lane %s was left waiting: %+v", r.Lane, b.Servers())
						return
					}
				}
				if n := running[g.Server].Add(1); n > capacity {
					t.Errorf("%s runs %d requests at once, capacity %d", g.Server.Name(), n, capacity)
				}
				running[g.Server].Add(-1)
				served.Add(1)
				b.Release(time.Now(), g, Outcome{Served: time.Millisecond, Total: time.Millisecond})
			}
		})
	}
	all.Wait()
	close(stop)
	churn.Wait()
	if served.Load() != clients*each {
		t.Errorf("%d of %d requests were served", served.Load(), clients*each)
	}
	for _, s := range b.Servers() {
		if s.InFlight != 0 {
			t.Errorf("%s still has %d in flight", s.Name, s.InFlight)
		}
	}
	if held, working, waiting := b.Held(); held || working != 0 || waiting != 0 {
		t.Errorf("held %v, %d working, %d waiting", held, working, waiting)
	}
	for l := range Lanes {
		if n := b.Queued(Lane(l)); n != 0 {
			t.Errorf("%d requests of lane %s are said to wait", n, Lane(l))
		}
	}
}

// TestNobodySlipsThrough stops a server, and holds work, in the middle of a rush: from
// the moment that none is counted, none may be there.
func TestNobodySlipsThrough(t *testing.T) {
	long := 3 * time.Second
	if testing.Short() {
		long /= 10
	}
	b, err := New(Config{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	specs := servers(40, 4) // a choice takes its time then
	if err := b.Update(time.Now(), specs); err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		b.SetHealth(time.Now(), s.Name, Up, "")
	}
	b.SetLead(time.Now(), "s1")
	var onS1, working atomic.Int64 // requests that have been sent and not answered
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			r := Request{Lane: Session, Work: c%2 == 0, ToLead: c == 1}
			if c == 2 {
				r.Sticky = IDOf("s1")
			}
			for {
				select {
				case <-stop:
					return
				default:
				}
				g, w, err := b.Acquire(time.Now(), &r)
				if err != nil {
					t.Error(err)
					return
				}
				if w != nil {
					select {
					case g = <-w.C:
					case <-stop:
						b.Cancel(time.Now(), w)
						return
					}
				}
				one := g.Server.Name() == "s1"
				if one {
					onS1.Add(1)
				}
				if r.Work {
					working.Add(1)
				}
				runtime.Gosched() // the work
				if one {
					onS1.Add(-1)
				}
				if r.Work {
					working.Add(-1)
				}
				b.Release(time.Now(), g, Outcome{})
			}
		})
	}
	quiet := func(n *atomic.Int64, counted func() int, what string) {
		for end := time.Now().Add(20 * time.Second); counted() > 0; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("%s: %d never end", what, counted())
			}
		}
		for range 20 {
			if n.Load() > 0 || t.Failed() {
				t.Errorf("%s: none is counted, but %d are there", what, n.Load())
				return
			}
			runtime.Gosched()
		}
	}
	for end := time.Now().Add(long); time.Now().Before(end); {
		b.SetOut(time.Now(), map[string]string{"s1": "restart"})
		quiet(&onS1, func() int { return b.InFlight("s1") }, "out")
		b.SetOut(time.Now(), nil)
		b.SetHold(time.Now(), true)
		quiet(&working, func() int { _, n, _ := b.Held(); return n }, "hold")
		b.SetHold(time.Now(), false)
		if t.Failed() {
			break
		}
	}
	close(stop)
	clients.Wait()
}

func TestRetryBudget(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	b := NewRetryBudget(20)
	allowed := func() (n int) {
		for b.Retry(now) {
			n++
		}
		return n
	}
	if n := allowed(); n != retryBurst {
		t.Errorf("a full budget gave %d retries, want %d", n, retryBurst)
	}
	for range 100 {
		b.Request()
	}
	if n := allowed(); n != 20 {
		t.Errorf("100 requests gave %d retries, want 20", n)
	}
	now = now.Add(2 * time.Second)
	if n := allowed(); n != 2*retriesPerSecond {
		t.Errorf("two seconds gave %d retries, want %d", n, 2*retriesPerSecond)
	}
	none := NewRetryBudget(0)
	if none.Retry(now) {
		t.Error("a budget of 0 % gave a retry")
	}
}

func benchmarkChoice(b *testing.B, policy Policy) {
	f := newFixture(b, Config{Policy: policy}, servers(100, 8)...)
	r := Request{Lane: Session}
	b.ReportAllocs()
	for b.Loop() {
		g, w, err := f.b.Acquire(f.now, &r)
		if err != nil || w != nil {
			b.Fatal("had to wait")
		}
		f.b.Release(f.now, g, Outcome{})
	}
}

// BenchmarkChoice is one choice over 100 servers and the slot given back.
func BenchmarkChoice(b *testing.B) {
	for _, p := range []Policy{LeastLoad, RoundRobin, RandomChoose, First} {
		b.Run(p.String(), func(b *testing.B) { benchmarkChoice(b, p) })
	}
	b.Run("sticky", func(b *testing.B) {
		f := newFixture(b, Config{}, servers(100, 8)...)
		r := Request{Lane: Session, Sticky: IDOf("s50"), Session: 9}
		b.ReportAllocs()
		for b.Loop() {
			g, _, _ := f.b.Acquire(f.now, &r)
			f.b.Release(f.now, g, Outcome{})
		}
	})
}

func BenchmarkStickyOpen(b *testing.B) {
	k := stickyKeys(b, 1, 2)
	value := k.Seal(Sticky{Server: 1, Session: 2, Issued: time.Now(), Seen: time.Now()})
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := k.Open(value); !ok {
			b.Fatal("refused")
		}
	}
}

// TestChoiceDoesNotAllocate keeps the hot path free of garbage.
func TestChoiceDoesNotAllocate(t *testing.T) {
	f := newFixture(t, Config{}, servers(100, 8)...)
	for _, r := range []Request{{Lane: Session}, {Lane: Flow}, {Lane: Session, Sticky: IDOf("s50"), Session: 9}} {
		n := testing.AllocsPerRun(100, func() {
			g, _, _ := f.b.Acquire(f.now, &r)
			f.b.Release(f.now, g, Outcome{Served: 1, Total: 1})
		})
		if n != 0 {
			t.Errorf("a choice for lane %s allocates %v times", r.Lane, n)
		}
	}
}
