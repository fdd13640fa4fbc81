package schedule

import (
	"fmt"
	"slices"
	"time"
)

// Due is a time at which a schedule was to fire.
type Due struct {
	ID   int64
	Name string
	At   time.Time // on the wall
}

// String says it for people.
func (d Due) String() string { return d.Name + " due " + d.At.Format(Layout) }

// maxDue bounds how many times of one schedule are looked at: a quarter of an hour of
// every second.
const maxDue = 1000

// Summary says times for people, one line for each schedule.
func Summary(times []Due) (lines []string) {
	var ids []int64
	by := make(map[int64][]Due)
	for _, d := range times {
		if by[d.ID] == nil {
			ids = append(ids, d.ID)
		}
		by[d.ID] = append(by[d.ID], d)
	}
	for _, id := range ids {
		line := by[id][0].String()
		if n := len(by[id]); n > 1 {
			line += fmt.Sprintf(" and %d times more until %s", n-1, by[id][n-1].At.Format(Layout))
		}
		lines = append(lines, line)
	}
	return lines
}

// The moment of a lead server's end, around which it is not known whether what was due
// was fired: as long before it as OMFLOW takes, on a busy machine, to record a firing,
// and as long after it as clocks of two servers differ.
const (
	unsureBefore = time.Second
	unsureAfter  = 500 * time.Millisecond
)

// due returns when a schedule is due after from, and until to; at most maxDue times.
// fired tells of each whether that is recorded.
func (s *Schedule) due(from, to time.Time) (at []time.Time, fired func(time.Time) bool) {
	if s.period == 0 {
		return s.weekly(from, to)
	}
	fired = func(t time.Time) bool { return !t.After(s.last) }
	next := s.first
	switch {
	case !s.last.IsZero():
		next = s.last
		if ahead := next.Sub(from); ahead > 0 {
			next = next.Add(-ahead / s.period * s.period)
		}
	case !s.whole && s.first.Before(from):
		return nil, fired // it is not known
	}
	if behind := from.Sub(next); behind >= 0 {
		next = next.Add((behind/s.period + 1) * s.period)
	}
	for ; !next.After(to) && len(at) < maxDue; next = next.Add(s.period) {
		if next.After(from) {
			at = append(at, next)
		}
	}
	return at, fired
}

func (s *Schedule) weekly(from, to time.Time) (at []time.Time, fired func(time.Time) bool) {
	last := make(map[time.Weekday]time.Time)
	for date := from; !date.Truncate(24*time.Hour).After(to) && len(at) < maxDue; date = date.AddDate(0, 0, 1) {
		t := time.Date(date.Year(), date.Month(), date.Day(), s.first.Hour(), s.first.Minute(), s.first.Second(), 0, time.UTC)
		for _, d := range s.days {
			if t.Weekday() != d.weekday || !t.After(from) || t.After(to) || t.Before(s.first.Truncate(time.Second)) {
				continue
			}
			if s.weeks > 1 && !d.next.IsZero() && !d.next.Equal(t) {
				continue // not its week
			}
			at, last[d.weekday] = append(at, t), d.last
		}
	}
	return at, func(t time.Time) bool { return !t.After(last[t.Weekday()]) }
}

// Missed returns what was due until now and is not recorded. ran is when a lead server
// last ran for sure, ended since when surely none has: what was due after that was
// missed, and what was due at about the end is not known. Each list is in the order of
// time.
func Missed(list []Schedule, ran, ended, now time.Time) (missed, unknown []Due) {
	for i := range list {
		s := &list[i]
		from := ran.Add(-unsureBefore)
		if s.last.After(from) {
			from = s.last // what is recorded takes no room
		}
		at, fired := s.due(from, now)
		for _, t := range at {
			switch d := (Due{s.ID, s.Name, t}); {
			case fired(t):
			case t.After(ended.Add(unsureAfter)):
				missed = append(missed, d)
			default:
				unknown = append(unknown, d)
			}
		}
	}
	order := func(a, b Due) int { return a.At.Compare(b.At) }
	slices.SortStableFunc(missed, order)
	slices.SortStableFunc(unknown, order)
	return missed, unknown
}

// Skipped returns what was due after from and until to, while a server was starting, and
// is not known to have been fired by it. Of several times of one schedule, only the last
// is told by the record.
func Skipped(list []Schedule, from, to time.Time) (skipped []Due) {
	for i := range list {
		s := &list[i]
		at, fired := s.due(from, to)
		for n, t := range at {
			if n < len(at)-1 || !fired(t) {
				skipped = append(skipped, Due{s.ID, s.Name, t})
			}
		}
	}
	return skipped
}

// Quiet returns how long to wait, limit at most, for a moment with nothing due from
// before it until after it. Schedules that are due more often than that are not waited
// for, since they never leave such a moment. 0 when there is none within the limit.
func Quiet(list []Schedule, now time.Time, before, after, limit time.Duration) time.Duration {
	var times []time.Time
	for i := range list {
		s := &list[i]
		if s.period != 0 && s.period <= before+after {
			continue
		}
		at, _ := s.due(now.Add(-before-time.Nanosecond), now.Add(limit+after))
		times = append(times, at...)
	}
	slices.SortFunc(times, time.Time.Compare)
	moment := now
	for _, t := range times {
		if t.After(moment.Add(after)) {
			break
		}
		moment = t.Add(before + time.Millisecond)
	}
	if wait := moment.Sub(now); wait <= limit {
		return wait
	}
	return 0
}
