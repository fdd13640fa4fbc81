package caddymodule

import (
	"context"
	"errors"
	"testing"
)

// While the door closes, all configurations that serve tell their clients: those that
// begin to in the middle, too.
func TestDoorCloses(t *testing.T) {
	d := &door{apps: make(map[*App]func())}
	closing := func(what string, want bool, apps ...*App) {
		t.Helper()
		for i, a := range apps {
			if a.doors.isClosing() != want {
				t.Errorf("%s: configuration %d: closing is not %v", what, i, want)
			}
		}
	}
	old, next, refused := new(App), new(App), new(App)
	d.enter(old)
	closing("before", false, old)
	stop := d.startClosing()
	d.enter(next) // a reload
	d.enter(refused)
	closing("a reload", true, old, next, refused)
	d.leave(refused)
	d.leave(old)
	stop()
	closing("after", false, next)
	d.enter(old)
	closing("after", false, old, next)
	stop = d.startClosing()
	closing("again", true, old, next)
	stop()
	closing("after that", false, old, next)

	var none *door // a booster without a virtual IP
	none.enter(old)
	none.leave(old)
	closing("without a virtual IP", false, old)
}

// A failover waits for a copying of tokens that hangs no longer than it has time.
func TestCopyNowEndsWithItsContext(t *testing.T) {
	c := &conductor{copying: make(chan struct{}, 1)}
	c.copying <- struct{}{} // one is under way
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.copyNow(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
