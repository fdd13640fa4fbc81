package balance

import (
	"fmt"
	"testing"
	"time"
)

func TestDivision(t *testing.T) {
	for _, tt := range []struct {
		slots, mine, their, want int64 // want is what is theirs, seen by the first
	}{
		{8, 0, 0, 0},
		{8, 70, 0, 0},   // they have nothing
		{8, 0, 70, 7},   // we have nothing: one place, for our first request
		{8, 70, 70, 4},  // both want it all
		{8, 1, 1, 4},    // enough for both
		{8, 3, 3, 4},    // just enough
		{8, 70, 1, 2},   // what they have and one more
		{8, 70, 2, 3},   // the same
		{8, 70, 3, 4},   // half of it
		{8, 2, 70, 5},   // ours is three
		{7, 70, 70, 3},  // the odd one is the first's
		{7, 70, 2, 3},   //
		{7, 2, 70, 4},   //
		{2, 70, 70, 1},  //
		{1, 70, 70, 0},  // which leaves each its one place
		{8, 4, 9000, 4}, //
	} {
		if got := theirs(tt.slots, tt.mine, tt.their, true); got != tt.want {
			t.Errorf("of %d, %d here and %d there: theirs %d, want %d", tt.slots, tt.mine, tt.their, got, tt.want)
		}
	}
	// Both sides come to the same.
	for slots := int64(2); slots < 12; slots++ {
		for mine := int64(1); mine < 14; mine++ {
			for their := int64(1); their < 14; their++ {
				a, b := slots-theirs(slots, mine, their, true), slots-theirs(slots, their, mine, false)
				if a+b != slots || a < 1 || b < 1 {
					t.Errorf("of %d, %d and %d divide %d and %d", slots, mine, their, a, b)
				}
				if a < min(mine, slots/2) || b < min(their, slots/2) {
					t.Errorf("of %d, %d gets %d and %d gets %d", slots, mine, a, their, b)
				}
			}
		}
	}
}

// doors are two front doors before one server. Each has clients that want so many
// requests at once; a request takes the server 60 ms.
type doors struct {
	*testing.T
	now    time.Time
	silent bool // nobody tells anything
	doors  [2]struct {
		b       *Balancer
		wants   int
		running map[time.Time][]Grant // by their ends
		waiting []*Waiter
		began   int // since it was last looked at
	}
	most int // in flight from both since it was last looked at
}

const doorStep = 10 * time.Millisecond

func newDoors(t *testing.T, capacity int) *doors {
	d := &doors{T: t, now: time.Unix(1_700_000_000, 0)}
	for i := range d.doors {
		d.doors[i].b = newFixture(t, Config{}, servers(1, capacity)...).b
		d.doors[i].running = make(map[time.Time][]Grant)
	}
	return d
}

func (d *doors) inFlight(i int) int { return d.doors[i].b.InFlight("s1") }

func (d *doors) pass(span time.Duration) {
	const (
		served  = 60 * time.Millisecond
		tell    = 5  // steps
		transit = 1  // a message is read a step after it was sent
		tick    = 10 // steps
	)
	var told [2]map[string]Load
	for step := range int(span / doorStep) {
		d.now = d.now.Add(doorStep)
		for i := range d.doors {
			door := &d.doors[i]
			if step%tick == 0 {
				door.b.Tick(d.now)
			}
			if !d.silent && step%tell == transit && told[1-i] != nil {
				door.b.SetElsewhere(d.now, i == 0, told[1-i])
			}
			for _, g := range door.running[d.now] {
				door.b.Release(d.now, g, Outcome{Served: served, Total: served})
			}
			delete(door.running, d.now)
			d.begin(i, served)
		}
		if step%tell == 0 {
			for i := range d.doors {
				told[i] = d.doors[i].b.Loads(d.now)
			}
		}
		d.most = max(d.most, d.inFlight(0)+d.inFlight(1))
	}
}

// begin has door i send what its clients want, and takes what it was granted.
func (d *doors) begin(i int, served time.Duration) {
	door := &d.doors[i]
	run := func(g Grant) {
		door.began++
		end := d.now.Add(served)
		door.running[end] = append(door.running[end], g)
	}
	for n := len(door.waiting); n > 0 && n+d.inFlight(i) > door.wants; n-- {
		door.b.Cancel(d.now, door.waiting[n-1])
		door.waiting = door.waiting[:n-1]
	}
	for len(door.waiting)+d.inFlight(i) < door.wants {
		g, w, err := door.b.Acquire(d.now, &Request{Lane: Flow})
		if err != nil {
			d.Fatal(err)
		}
		if w == nil {
			run(g)
			continue
		}
		door.waiting = append(door.waiting, w)
	}
	still := door.waiting[:0]
	for _, w := range door.waiting {
		select {
		case g := <-w.C:
			run(g)
		default:
			still = append(still, w)
		}
	}
	door.waiting = still
}

// TestTwoBoostersKeepToCapacity: the places of a server are divided between two
// boosters that use it, left to one that uses it alone, and never more than these.
func TestTwoBoostersKeepToCapacity(t *testing.T) {
	for _, capacity := range []int{2, 7, 8, 24} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			d := newDoors(t, capacity)
			want := func(what string, a, b int) {
				t.Helper()
				if d.inFlight(0) != a || d.inFlight(1) != b {
					t.Errorf("%s: %d and %d in flight, want %d and %d", what, d.inFlight(0), d.inFlight(1), a, b)
				}
			}
			d.doors[0].wants = 64
			d.pass(2 * time.Second)
			want("the first alone", capacity, 0)

			d.most = 0
			d.doors[1].wants = 64
			d.pass(time.Second)
			want("both", capacity-capacity/2, capacity/2)
			if d.most > capacity+1 { // its first request
				t.Errorf("when the second began, %d were in flight", d.most)
			}

			d.most = 0
			d.doors[1].wants = 1
			d.pass(3 * time.Second)
			if few := min(2, capacity/2); d.inFlight(1) != 1 || d.inFlight(0) != capacity-few {
				t.Errorf("one at a time at the second: %d and %d in flight", d.inFlight(0), d.inFlight(1))
			}
			d.doors[1].began = 0
			d.pass(600 * time.Millisecond)
			if d.doors[1].began < 10 {
				t.Errorf("one at a time got %d turns in the time of ten", d.doors[1].began)
			}
			d.doors[0].wants, d.doors[1].wants = 1, 64
			d.pass(3 * time.Second)
			if few := min(2, capacity-capacity/2); d.inFlight(0) != 1 || d.inFlight(1) != capacity-few {
				t.Errorf("one at a time at the first: %d and %d in flight", d.inFlight(0), d.inFlight(1))
			}
			d.doors[0].wants = 64
			d.pass(time.Second)
			want("both again", capacity-capacity/2, capacity/2)
			if d.most > capacity {
				t.Errorf("while both had requests, %d were in flight", d.most)
			}

			d.doors[0].wants = 0
			d.pass(2500 * time.Millisecond)
			want("the second alone", 0, capacity)
		})
	}
}

// TestTheOtherBoosterIsNotHeard: what it told holds for a second.
func TestTheOtherBoosterIsNotHeard(t *testing.T) {
	d := newDoors(t, 8)
	d.doors[0].wants, d.doors[1].wants = 64, 64
	d.pass(time.Second)
	if n := d.inFlight(0); n != 4 {
		t.Fatalf("%d in flight while it is heard", n)
	}
	if s, _ := d.doors[0].b.Server("s1"); s.Elsewhere != 4 {
		t.Errorf("the other one has %d in flight", s.Elsewhere)
	}
	d.silent = true
	d.pass(900 * time.Millisecond)
	if n := d.inFlight(0); n != 4 {
		t.Errorf("%d in flight after a moment of silence", n)
	}
	d.pass(400 * time.Millisecond)
	if n := d.inFlight(0); n != 8 {
		t.Errorf("%d in flight when it is not heard any more", n)
	}
	if s, _ := d.doors[0].b.Server("s1"); s.Elsewhere != 0 {
		t.Errorf("the other one has %d in flight", s.Elsewhere)
	}
}

// TestLoads: what waits counts for the server that it waits for, or is divided among
// those that it may go to.
func TestLoads(t *testing.T) {
	f := newFixture(t, Config{}, servers(3, 1)...)
	f.b.SetMark(f.now, "s3", Drain)
	if loads := f.b.Loads(f.now); loads != nil {
		t.Errorf("without requests: %v", loads)
	}
	f.b.SetLead(f.now, "s2")
	f.get(Request{Lane: Session, Sticky: IDOf("s1")})
	f.get(Request{Lane: Control, ToLead: true})
	for range 3 {
		f.wait(Request{Lane: Session, Sticky: IDOf("s1")})
	}
	for range 2 {
		f.wait(Request{Lane: Control, ToLead: true})
	}
	for range 5 {
		f.wait(Request{Lane: Flow})
	}
	loads := f.b.Loads(f.now)
	if len(loads) != 2 || loads["s1"] != (Load{InFlight: 1, Demand: 7}) || loads["s2"] != (Load{InFlight: 1, Demand: 6}) {
		t.Errorf("%v", loads)
	}
}

func TestPeak(t *testing.T) {
	var p peak
	at := time.Unix(1_700_000_000, 0)
	for i, tt := range []struct {
		after time.Duration
		see   int64
		want  int64
	}{
		{0, 3, 3}, {100 * time.Millisecond, 9, 9}, {300 * time.Millisecond, 1, 9},
		{200 * time.Millisecond, 2, 9}, {400 * time.Millisecond, 0, 9},
		{200 * time.Millisecond, 0, 2}, {500 * time.Millisecond, 0, 0}, {time.Hour, 4, 4},
	} {
		at = at.Add(tt.after)
		if got := p.see(at, tt.see); got != tt.want {
			t.Errorf("step %d: %d, want %d", i, got, tt.want)
		}
	}
}

// TestFirstRequestWaitsForNobody: one place is there in any case, and what the other
// booster gives up is used at once.
func TestFirstRequestWaitsForNobody(t *testing.T) {
	f := newFixture(t, Config{}, servers(1, 8)...)
	f.b.SetElsewhere(f.now, true, map[string]Load{"s1": {InFlight: 8, Demand: 70}, "unknown": {InFlight: 1, Demand: 1}})
	f.get(Request{Lane: Session})
	w := f.wait(Request{Lane: Session})
	f.b.SetElsewhere(f.now, true, map[string]Load{"s1": {InFlight: 7, Demand: 8}})
	if _, given := f.given(w); given {
		t.Error("a place was given that the other booster uses")
	}
	f.b.SetElsewhere(f.now, true, nil)
	if _, given := f.given(w); !given {
		t.Error("a place that the other booster has given up is not used")
	}
}

// TestNoLimitIsNoneForTwo: a server without a limit is not divided.
func TestNoLimitIsNoneForTwo(t *testing.T) {
	f := newFixture(t, Config{}, servers(1, Unlimited)...)
	f.b.SetElsewhere(f.now, true, map[string]Load{"s1": {InFlight: Unlimited - 1, Demand: Unlimited}})
	for range 100 {
		f.get(Request{Lane: Session})
	}
}
