// Package quiet logs what strangers can cause without letting them fill the
// log: the first event of a kind at once, and from then on one line a minute
// that says how many more there were.
//
// Events are told apart by a key that the caller makes, usually of a reason
// and a remote host. At most 1024 keys are remembered; past that, events with
// new keys are counted together under one key, so that a stranger who comes
// from many addresses costs neither memory nor log.
//
// Nothing here starts a goroutine: Flush writes what is due and is called by
// the owner about every ten seconds, and once at the end.
package quiet

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// Window is how long a key stays silent after it was logged.
	Window = time.Minute

	maxKeys = 1024
)

// overflow stands for all keys past maxKeys. No caller's key is empty.
const overflow = ""

// Log is a logger of events that may come in floods. All methods may be called
// concurrently.
type Log struct {
	out func() *slog.Logger

	mu   sync.Mutex
	seen map[string]*entry
}

type entry struct {
	since time.Time // when a line was last written
	more  int       // events since then
	level slog.Level
	msg   string
	attrs []slog.Attr
}

// New returns a Log that writes to what out returns at that moment; a logger
// can be replaced meanwhile.
func New(out func() *slog.Logger) *Log {
	return &Log{out: out, seen: make(map[string]*entry)}
}

// Event logs msg with attrs now if nothing was logged under key in the last
// minute, and otherwise counts it. It reports whether it logged.
func (l *Log) Event(level slog.Level, key, msg string, attrs ...slog.Attr) bool {
	if !l.out().Enabled(context.Background(), level) {
		return false
	}
	now := time.Now()
	l.mu.Lock()
	e, known := l.seen[key]
	if !known && len(l.seen) >= maxKeys {
		key = overflow
		e, known = l.seen[key]
	}
	if known {
		e.more++
		due := now.Sub(e.since) >= Window
		l.mu.Unlock()
		if due {
			l.flush(now, false)
		}
		return false
	}
	l.seen[key] = &entry{since: now, level: level, msg: msg, attrs: attrs}
	l.mu.Unlock()
	l.write(level, msg, attrs)
	return true
}

// Flush writes the lines whose minute is over and forgets keys under which
// nothing happened for a minute.
func (l *Log) Flush() { l.flush(time.Now(), false) }

// Close writes everything that was counted and not yet logged. The Log can be
// used further.
func (l *Log) Close() { l.flush(time.Now(), true) }

func (l *Log) flush(now time.Time, all bool) {
	var due []entry
	l.mu.Lock()
	for key, e := range l.seen {
		switch {
		case !all && now.Sub(e.since) < Window:
		case e.more > 0:
			due = append(due, *e)
			e.since, e.more = now, 0
		default:
			delete(l.seen, key)
		}
	}
	l.mu.Unlock()
	for _, e := range due {
		attrs := append(e.attrs[:len(e.attrs):len(e.attrs)], slog.Int("count", e.more), slog.Duration("within", now.Sub(e.since)))
		l.write(e.level, e.msg, attrs)
	}
}

func (l *Log) write(level slog.Level, msg string, attrs []slog.Attr) {
	l.out().LogAttrs(context.Background(), level, msg, attrs...)
}
