package rollout

import "time"

// Vacancy is a time without a lead server, as the one who is to end it is told: what
// was to be done by the schedules meanwhile, nobody has done.
type Vacancy struct {
	// Ran is how long ago a lead process surely ran last, and Ended since when surely
	// none has: not longer than Ran. They are as far apart as a message takes when the
	// agent of the one before has seen its process end.
	Ran   time.Duration `json:"ran"`
	Ended time.Duration `json:"ended"`
}

// heirTime is how long before it became the active one a booster looks for what was not
// done, when the lead server has died with the booster before: longer than a change of
// lead takes that may have been under way.
const heirTime = 10 * time.Minute

// vacancy is a Vacancy as the granting side knows it. The zero value is not known: a
// cluster that was stopped as a whole misses what it misses.
type vacancy struct{ ran, ended time.Time }

// told is what the new holder is told.
func (v vacancy) told(now time.Time) *Vacancy {
	if v.ran.IsZero() {
		return nil
	}
	return &Vacancy{Ran: longest(now, v.ran), Ended: now.Sub(v.ended)}
}

// left is the vacancy that an ended lease leaves. told is how long ago its process ended
// by its own agent's word, which was not said before made; 0: there is no such word.
func (l *lease) left(now, made time.Time, told time.Duration) vacancy {
	v, ended := l.vacant, now
	if told > 0 {
		ended = now.Add(-told) // or earlier: that long before the word was said
	}
	switch {
	case !l.alive.IsZero() && ended.Before(l.alive):
		return vacancy{ran: l.alive, ended: now} // it is about an earlier process
	case !l.alive.IsZero():
		v = vacancy{ran: l.alive, ended: ended}
		if at := made.Add(-told); told > 0 && !made.IsZero() && at.After(v.ran) {
			v.ran = at
		}
	case l.given.IsZero() && l.holder != "":
		return vacancy{ran: l.renewed.Add(-heirTime), ended: now}
	case !v.ran.IsZero() && ended.After(l.given):
		v.ended = ended // its process may have run unseen
	}
	return v
}
