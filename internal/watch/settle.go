package watch

import "time"

// openPoll is how often it is looked whether a writer is done. No event that
// every system has tells of a file being closed.
const openPoll = 100 * time.Millisecond

// decision is what to do with the changes that were found.
type decision int

const (
	wait        decision = iota // look again when settler.due says so
	publish                     // all of it
	publishPart                 // what is quiet and closed; the rest stays as the base has it
)

// settler decides when changes count. It is told the times of activity and what
// a look into the folder found, and keeps no clock. It is for one goroutine.
type settler struct {
	settle, max time.Duration

	first time.Time // when the wait began; zero: nothing is waited for
	last  time.Time // the latest activity
	retry time.Time // a look found files that were not done; not before this
}

// activity tells that something changed at t.
func (s *settler) activity(t time.Time) {
	if t.After(s.last) {
		s.last = t
	}
	s.begin(t)
}

// begin starts the wait at t, unless it goes on already.
func (s *settler) begin(t time.Time) {
	if s.first.IsZero() {
		s.first = t
	}
}

// restart begins the wait anew, if there is one.
func (s *settler) restart(t time.Time) {
	if !s.first.IsZero() {
		s.first = t
	}
}

// stop ends the wait.
func (s *settler) stop() { s.first, s.retry = time.Time{}, time.Time{} }

// due is when to look into the folder; zero: nothing is waited for.
func (s *settler) due() time.Time {
	if s.first.IsZero() {
		return time.Time{}
	}
	t := s.last.Add(s.settle)
	if s.retry.After(t) {
		t = s.retry
	}
	if limit := s.first.Add(s.max); limit.Before(t) {
		t = limit
	}
	return t
}

// overdue tells whether MaxSettle has passed.
func (s *settler) overdue(now time.Time) bool {
	return !s.first.IsZero() && now.Sub(s.first) >= s.max
}

// decide judges a look at now, which came when due or later. quietAt is when the
// last of the files that were too young will be quiet, zero if there are none;
// open tells that a writer has a changed file open.
func (s *settler) decide(now, quietAt time.Time, open bool) decision {
	if quietAt.IsZero() && !open {
		s.stop()
		return publish
	}
	s.begin(now)
	s.retry = quietAt
	if open {
		if poll := now.Add(openPoll); poll.After(s.retry) {
			s.retry = poll
		}
	}
	if !s.overdue(now) {
		return wait
	}
	s.first = now // the rest has a wait of its own
	return publishPart
}
