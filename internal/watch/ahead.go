package watch

import (
	"os"
	"time"
)

// ahead is how long a file must have been quiet to be read before it counts as a
// change: a large one is hashed by the time that it does. It is more than fineStep, so
// that the file need not be read again because of its times.
func (c *Config) ahead() time.Duration { return max(c.Settle/8, fineStep+5*time.Millisecond) }

// aheadAt is when to read ahead; zero: not now. It is tried once after each activity,
// until something was read: who writes the same file again and again is not to have it
// read each time that he pauses.
func (w *Watcher) aheadAt() time.Time {
	s := &w.settler
	if !w.hasBase || s.first.IsZero() || w.tried.Equal(s.last) || w.aheadFor.Equal(s.first) {
		return time.Time{}
	}
	if at := s.last.Add(w.cfg.ahead()); at.Before(s.due()) {
		return at
	}
	return time.Time{}
}

// readAhead hashes what may soon count. Nothing is decided by that: what changes after
// it, or has a writer when it counts, is read again.
func (w *Watcher) readAhead(root *os.Root, now time.Time) {
	w.tried = w.settler.last
	w.hasher.copies = w.copyOf
	r := w.read(root, now, pass{age: w.cfg.ahead(), all: true, ahead: true})
	w.hasher.copies = nil
	if r.hashed > 0 {
		w.aheadFor = w.settler.first
	}
}
