package interpreter

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const ms = time.Millisecond

// run has clients make requests one after the other for a while and returns
// requests a second and the median time of one.
func run(in *Interpreter, clients, threads int, cost Cost, length time.Duration) (rate float64, median time.Duration) {
	var (
		mu    sync.Mutex
		times []time.Duration
		wg    sync.WaitGroup
	)
	slots := make(chan struct{}, threads)
	start := time.Now()
	for range clients {
		wg.Go(func() {
			for time.Since(start) < length {
				sent := time.Now()
				slots <- struct{}{}
				t := in.Begin()
				t.Interpret(cost.Interpret / 2)
				t.Wait(cost.Wait)
				t.Interpret(cost.Interpret - cost.Interpret/2)
				<-slots
				mu.Lock()
				times = append(times, time.Since(sent))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(times)
	return float64(len(times)) / time.Since(start).Seconds(), times[len(times)/2]
}

// measured is what OMFLOW 1.1.0.0 gave under gunicorn with 8 threads.
var measured = []struct {
	name      string
	cost      Cost
	one, many float64 // requests a second of 1 and of 8 clients
	median    time.Duration
}{
	{"nothing", Cost{1050 * time.Microsecond, 450 * time.Microsecond}, 647, 949, 8 * ms},
	{"login page", Cost{11700 * time.Microsecond, 0}, 83, 85, 78 * ms},
	{"home page", Cost{25 * ms, 8 * ms}, 27, 39, 195 * ms},
	{"list", Cost{9400 * time.Microsecond, 13600 * time.Microsecond}, 43, 106, 69 * ms},
	{"create", Cost{23 * ms, 14 * ms}, 27, 43, 182 * ms},
}

func TestModelReproducesMeasurements(t *testing.T) {
	for _, m := range measured {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one, _ := run(New(nil), 1, 8, m.cost, 20*time.Second)
				many, median := run(New(nil), 8, 8, m.cost, 20*time.Second)
				within(t, "requests a second of one client", one, m.one, 0.15)
				within(t, "requests a second of eight", many, m.many, 0.15)
				within(t, "median of eight in ms", median.Seconds()*1e3, m.median.Seconds()*1e3, 0.21)
			})
		})
	}
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if got < want*(1-tolerance) || got > want*(1+tolerance) {
		t.Errorf("%s: got %.1f, measured on OMFLOW %.1f", what, got, want)
	}
}

func TestShortRequestWaitsForSlicesNotForLongRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := New(nil)
		var wg sync.WaitGroup
		wg.Go(func() { in.Begin().Interpret(500 * ms) })
		synctest.Wait() // the long one has the interpreter
		start := time.Now()
		in.Begin().Interpret(2 * ms)
		if got := time.Since(start); got != Quantum+2*ms {
			t.Errorf("a request of 2 ms took %v beside a long one, want %v", got, Quantum+2*ms)
		}
		wg.Wait()
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := New(nil)
		var (
			wg    sync.WaitGroup
			mu    sync.Mutex
			order []int
		)
		for i := range 6 {
			wg.Go(func() {
				in.Begin().Interpret(Quantum)
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
			synctest.Wait()
		}
		wg.Wait()
		if !slices.IsSorted(order) {
			t.Errorf("served in the order %v", order)
		}
	})
}

// A plan behind the clock is caught up within MaxLag and given up beyond it.
func TestPlanAfterDelay(t *testing.T) {
	tests := []struct {
		late time.Duration
		want time.Duration // for 10 ms of work that began late
	}{
		{0, 10 * ms},
		{4 * ms, 6 * ms},
		{MaxLag, 0},
		{time.Hour, 0},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			task := New(nil).Begin()
			time.Sleep(tt.late)
			start := time.Now()
			task.Interpret(10 * ms)
			if got := time.Since(start); got != tt.want {
				t.Errorf("late by %v: slept %v, want %v", tt.late, got, tt.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		task := New(nil).Begin()
		time.Sleep(time.Hour)
		start := time.Now()
		task.Interpret(time.Second)
		if got, want := time.Since(start), time.Second-MaxLag; got != want {
			t.Errorf("an hour's stop shortened a second's work to %v, want %v", got, want)
		}
	})
}

func TestDoneEndsAllWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		in := New(done)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				task := in.Begin()
				task.Interpret(time.Hour)
				task.Wait(time.Hour)
			})
		}
		synctest.Wait()
		start := time.Now()
		close(done)
		wg.Wait()
		if got := time.Since(start); got != 0 {
			t.Errorf("waiting ended %v after the kill", got)
		}
	})
}

func TestScale(t *testing.T) {
	c := Cost{Interpret: 23 * ms, Wait: 14 * ms}
	if got := c.Scale(0); got != (Cost{}) {
		t.Errorf("scaled by 0: %v", got)
	}
	if got, want := c.Scale(2), (Cost{46 * ms, 28 * ms}); got != want {
		t.Errorf("scaled by 2: %v, want %v", got, want)
	}
}
