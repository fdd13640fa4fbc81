package pair

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// addEvery is how often an address that is there is added again, for it
	// expires in the kernel.
	addEvery = time.Second
	// retryAfter is when an act that failed is tried again.
	retryAfter = 100 * time.Millisecond
)

// announceAgain is when an address is announced again after it was added: soon,
// for a first announcement of this machine that the last one of the other
// overtook, on a machine that runs late, and after a second for neighbours that
// missed it.
func announceAgain() []time.Duration {
	return []time.Duration{50 * time.Millisecond, 250 * time.Millisecond, time.Second}
}

// keeper has the address on the interface for as long as it may be. It works in
// a goroutine of its own, so that nothing that the kernel is slow with holds up
// beats.
type keeper struct {
	address Address
	guard   Guard
	log     *slog.Logger
	clock   func() time.Duration
	wake    chan struct{}

	mu     sync.Mutex
	target target
	holds  bool
	wrong  string // what does not work
}

// target is what the keeper is to do.
type target struct {
	until     time.Duration // 0: not to have it
	fading    bool          // to keep it, if it is there, and neither add nor announce it
	announces uint64        // it is announced anew when this grows
}

// aim tells the keeper what to do. It does not block.
func (k *keeper) aim(t target) {
	k.mu.Lock()
	changed := k.target != t
	k.target = t
	k.mu.Unlock()
	if changed {
		poke(k.wake)
	}
}

func (k *keeper) status() (holds bool, wrong string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holds, k.wrong
}

// run works until ctx ends, and takes the address off then.
func (k *keeper) run(ctx context.Context) {
	w := work{keeper: k}
	for {
		next := w.step()
		var timer <-chan time.Time
		if next > 0 {
			timer = time.After(next)
		}
		select {
		case <-ctx.Done():
			k.aim(target{})
			w.step()
			return
		case <-k.guard.Removed():
			w.added, w.unsure = 0, true
		case <-k.wake:
		case <-timer:
		}
	}
}

// work is what run knows from step to step.
type work struct {
	*keeper
	added     time.Duration   // when the address was added last, 0 if it is not there
	unsure    bool            // it may be there all the same: the guard may have ended before it acted
	again     []time.Duration // when to announce it again
	announced uint64
	failed    time.Duration // when something failed last
}

// step does what is due and returns when to come again, 0 for when woken.
func (w *work) step() time.Duration {
	w.mu.Lock()
	t := w.target
	w.mu.Unlock()

	now := w.clock()
	if t.until <= now || t.fading && w.added == 0 {
		return w.give(t)
	}
	// The guard comes first: at no moment is the address there without it.
	if err := w.guard.Extend(t.until); err != nil {
		w.fail("the virtual IP is not guarded, so it is not held", err)
		if w.added != 0 || w.unsure {
			w.drop()
		}
		return retryAfter
	}
	fresh := w.added == 0
	if fresh || now-w.added >= addEvery {
		if err := w.address.Add(); err != nil {
			w.fail("the virtual IP can't be added", err)
			return retryAfter
		}
		w.added, w.unsure = now, false
		if w.clock() >= t.until {
			// It took so long that the guard may have come before it.
			w.drop()
			return retryAfter
		}
	}
	if fresh {
		w.log.Info("virtual IP is held")
		w.again = announceAgain()
		for i := range w.again {
			w.again[i] += now
		}
	}
	due := fresh || t.announces != w.announced
	for len(w.again) > 0 && now >= w.again[0] {
		w.again, due = w.again[1:], true
	}
	if due && !t.fading && w.clock() < t.until {
		w.announced = t.announces
		if err := w.address.Announce(); err != nil {
			w.fail("the virtual IP can't be announced", err)
			if len(w.again) == 0 {
				w.again = []time.Duration{now + addEvery} // nobody knows yet where it is
			}
		}
	}
	w.set(true, w.failed != 0 && now-w.failed < addEvery)
	next := min(t.until, w.added+addEvery)
	if len(w.again) > 0 {
		next = min(next, w.again[0])
	}
	return max(next-now, time.Millisecond)
}

// give takes the address off, if it is there.
func (w *work) give(t target) time.Duration {
	w.again = nil
	if w.added != 0 || w.unsure {
		held := w.added != 0
		if !w.drop() {
			return retryAfter
		}
		if held {
			w.log.Info("virtual IP is given up")
		}
	}
	if t.until == 0 {
		// Told only now, so that until then the guard would do it.
		if err := w.guard.Extend(0); err != nil {
			w.fail("the virtual IP's guard can't be told", err)
			return retryAfter
		}
		w.set(false, false) // it is where it should be
	}
	return 0
}

// drop takes the address off, and reports whether it could.
func (w *work) drop() bool {
	if err := w.address.Remove(); err != nil {
		w.fail("the virtual IP can't be taken off", err)
		return false
	}
	w.added, w.unsure = 0, false
	w.set(false, w.failed != 0)
	return true
}

func (w *work) set(holds, wrong bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.holds = holds; !wrong {
		w.wrong, w.failed = "", 0
	}
}

// fail notes what does not work and logs it when it is new.
func (w *work) fail(text string, err error) {
	w.failed = w.clock()
	text += ": " + err.Error()
	w.mu.Lock()
	known := w.wrong == text
	w.wrong = text
	w.holds = w.added != 0 || w.unsure
	w.mu.Unlock()
	if !known {
		w.log.Error(text)
	}
}

// poke wakes the reader of ch, which has room for one.
func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
