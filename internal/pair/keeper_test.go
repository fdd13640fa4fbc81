package pair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// desk is an address and its guard, which note what is done to them.
type desk struct {
	clock   func() time.Duration
	removed chan struct{}

	mu    sync.Mutex
	acts  []string
	until time.Duration
	there bool
	fail  map[string]error
}

func (d *desk) note(act string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acts = append(d.acts, act)
	err := d.fail[act]
	if err == nil && act != "announce" {
		d.there = act == "add"
	}
	return err
}

func (d *desk) Add() error               { return d.note("add") }
func (d *desk) Remove() error            { return d.note("remove") }
func (d *desk) Announce() error          { return d.note("announce") }
func (d *desk) Removed() <-chan struct{} { return d.removed }

func (d *desk) Extend(until time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.there && until == 0 {
		d.acts = append(d.acts, "released while it is there")
	}
	d.until = until
	return d.fail["extend"]
}

// did returns what was done since the last call.
func (d *desk) did() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := strings.Join(d.acts, " ")
	d.acts = nil
	return s
}

func (d *desk) failing(act string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = map[string]error{act: err}
}

// keeping runs f with a keeper in a bubble.
func keeping(t *testing.T, f func(k *keeper, d *desk)) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d := &desk{clock: func() time.Duration { return time.Since(began) + time.Hour }, removed: make(chan struct{}, 1)}
		k := &keeper{address: d, guard: d, log: slog.New(slog.DiscardHandler), clock: d.clock, wake: make(chan struct{}, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { k.run(ctx) })
		f(k, d)
		cancel()
		wg.Wait()
		if holds, _ := k.status(); holds || d.there {
			t.Error("the address is left behind")
		}
	})
}

// extend moves the end on for n steps of 50 ms, and waits them out.
func (d *desk) extend(k *keeper, n int, announces uint64) {
	for range n {
		k.aim(target{until: d.clock() + 175*time.Millisecond, announces: announces})
		time.Sleep(50 * time.Millisecond)
	}
	synctest.Wait()
}

func TestKeeper(t *testing.T) {
	keeping(t, func(k *keeper, d *desk) {
		step := func(what, want string) {
			t.Helper()
			synctest.Wait()
			if got := d.did(); got != want {
				t.Errorf("%s: %q instead of %q", what, got, want)
			}
		}
		step("at first", "")
		d.extend(k, 1, 0)
		step("active", "add announce announce")
		if holds, wrong := k.status(); !holds || wrong != "" {
			t.Errorf("holds %v, %q", holds, wrong)
		}
		d.extend(k, 10, 0)
		step("for half a second", "announce")
		d.extend(k, 10, 0)
		step("after a second", "add announce")
		d.extend(k, 1, 1)
		step("after a heal", "announce")
		// The guard was there first, for a moment too long.
		d.removed <- struct{}{}
		step("taken off", "add announce")
		time.Sleep(200 * time.Millisecond)
		step("time ran out", "announce remove")
		if holds, _ := k.status(); holds {
			t.Error("holds an address that was taken off")
		}
		d.extend(k, 1, 1)
		step("active again", "add announce announce")
		k.aim(target{until: d.clock() + 100*time.Millisecond, fading: true, announces: 2})
		time.Sleep(50 * time.Millisecond)
		step("handing over", "")
		d.removed <- struct{}{}
		step("handing over, and taken off", "remove") // or the guard has ended
		d.extend(k, 1, 1)
		step("it was not taken", "add announce announce")
		k.aim(target{})
		step("standby", "remove")
		if d.until != 0 {
			t.Error("the guard is not told")
		}
		d.extend(k, 1, 1)
		step("active when it ends", "add announce announce")
	})
}

func TestKeeperFailures(t *testing.T) {
	for act, want := range map[string]string{"extend": "not guarded", "add": "can't be added", "announce": "can't be announced"} {
		keeping(t, func(k *keeper, d *desk) {
			d.failing(act, errors.New("no "+act))
			d.extend(k, 3, 0)
			holds, wrong := k.status()
			if !strings.Contains(wrong, want) || holds != (act == "announce") {
				t.Errorf("%s fails: holds %v, %q", act, holds, wrong)
			}
			if act == "extend" && strings.Contains(d.did(), "add") {
				t.Error("an address is added that nobody guards")
			}
			d.failing("", nil)
			d.extend(k, 40, 0)
			if holds, wrong := k.status(); !holds || wrong != "" {
				t.Errorf("after %s failed: holds %v, %q", act, holds, wrong)
			}
			// An address that loses its guard goes.
			d.failing("extend", errors.New("no guard"))
			d.extend(k, 1, 0)
			if holds, _ := k.status(); holds {
				t.Error("holds an address that nobody guards")
			}
			d.failing("", nil)
		})
	}
	keeping(t, func(k *keeper, d *desk) {
		d.extend(k, 1, 0)
		d.failing("remove", fmt.Errorf("busy"))
		k.aim(target{})
		time.Sleep(time.Second)
		if n := strings.Count(d.did(), "remove"); n < 5 {
			t.Errorf("taking it off is tried %d times", n)
		}
		if holds, wrong := k.status(); !holds || !strings.Contains(wrong, "can't be taken off") {
			t.Errorf("holds %v, %q", holds, wrong)
		}
		d.failing("", nil)
		time.Sleep(time.Second)
		if holds, wrong := k.status(); holds || wrong != "" {
			t.Errorf("holds %v, %q", holds, wrong)
		}
	})
	// The neighbours are told as soon as that can be.
	keeping(t, func(k *keeper, d *desk) {
		d.failing("announce", errors.New("no file descriptor is left"))
		d.extend(k, 60, 0)
		d.did()
		d.failing("", nil)
		d.extend(k, 60, 0)
		if n := strings.Count(d.did(), "announce"); n != 1 {
			t.Errorf("announced %d times when it was possible again", n)
		}
	})
	// A guard has ended, and there is no other: nobody else takes the address off.
	keeping(t, func(k *keeper, d *desk) {
		d.extend(k, 1, 0)
		d.failing("extend", errors.New("no guard"))
		d.removed <- struct{}{}
		synctest.Wait()
		if d.did(); d.there {
			t.Error("an address that nobody guards stays")
		}
		d.failing("", nil)
	})
}
