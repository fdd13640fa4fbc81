package replica

import (
	"time"

	"github.com/omflow/booster/internal/watch"
)

// Many files that vanish may be the beginning of all of them vanishing: peers are
// told when it has come to an end, so that the watcher can judge the whole.
const (
	// fewRemovals may vanish within removalWindow and be told at once.
	fewRemovals   = 10
	removalWindow = 10 * time.Second
	// removalQuiet is how long no more may vanish before many are told.
	removalQuiet = 2 * time.Second
	// retryReport is when what could not be taken in is tried again.
	retryReport = time.Second
)

// holder keeps a change that must wait. It is for one goroutine.
//
// While there is one the watcher's base is left alone: to set it ends what somebody has
// confirmed, of which the change may be.
type holder struct {
	change *watch.Change
	timer  *time.Timer
	told   int       // removals since
	since  time.Time // the window began
}

// due is when the change is to be taken in; nil: there is none.
func (h *holder) due() <-chan time.Time {
	if h.change == nil {
		return nil
	}
	return h.timer.C
}

// many tells whether so many removals more are too many to be told at once.
func (h *holder) many(n int, now time.Time) bool {
	if now.Sub(h.since) > removalWindow {
		h.since, h.told = now, 0
	}
	return n > 0 && h.told+n > fewRemovals
}

// keep has c wait, and no shorter when it holds no more removals than the one
// before.
func (h *holder) keep(c watch.Change, wait time.Duration) {
	grew := h.change == nil || len(c.Removed) > len(h.change.Removed)
	if h.timer == nil {
		h.timer = time.NewTimer(wait)
	} else if grew {
		h.timer.Reset(wait)
	}
	h.change = &c
}

func (h *holder) drop() { h.change = nil }
