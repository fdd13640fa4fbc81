package rollout

import (
	"slices"
	"time"
)

// lease is the lead's lease as the granting side knows it.
type lease struct {
	// holder has the lease, or may have it; "" when surely nobody has, unless unknown.
	holder string
	// next is who is to have it, while that is prepared, since nextSince.
	next      string
	nextSince time.Time
	// last had it before, until ended. lost: it did not give it back because it was
	// told to, or was another booster's, and may have left rows in the journal.
	last  string
	ended time.Time
	lost  bool
	// grant is the holder's, and offer what it was granted on. Both are 0 when the
	// holder is known from a mark only.
	grant, offer uint64
	// sifted: when it was granted no ticket between two steps was a living server's.
	sifted bool
	// given is when this booster granted it; zero for another booster's grant.
	given time.Time
	// renewed is when the holder was last answered, or could have been by another
	// booster.
	renewed time.Time
	// running tells that the holder has said that it runs under the grant, settled
	// that it was then seen well: it has replayed the journal.
	running, settled bool
	// revoked: the holder is told that it is a follower.
	revoked bool
	// witnesses is what the holder was told last, confirmed what it last said it was
	// told: it may go by either.
	witnesses, confirmed []string
	// others are all that could hold it when the holder is known from a mark only.
	others []string
	asked  map[string]bool // which of them hold nothing, and obey no older booster
	// alive is when the holder's process last ran as the lead by a word of its agent that
	// proves when it was said; zero: there is none. vacant is the time without a lead
	// server before it.
	alive  time.Time
	vacant vacancy
	// unknown: another booster may have granted to anyone.
	unknown bool
	// unmarked: there is no mark. Nobody was ever granted it, unless an agent has
	// heard of a booster before.
	unmarked bool
}

// settledAge is the age of a lead process, started under another booster, that has
// surely replayed the journal.
const settledAge = 30 * time.Second

// remembered is the lease as a booster finds it that has just become the active one.
func remembered(now time.Time, text string) lease {
	if text == "" {
		return lease{unmarked: true, renewed: now, lost: true}
	}
	m, err := decodeMark(text)
	if err != nil {
		return lease{unknown: true, renewed: now}
	}
	l := lease{
		holder: m.Server, renewed: now, unknown: true, witnesses: m.Witnesses, confirmed: m.Witnesses,
		others: m.Others, asked: make(map[string]bool),
	}
	if m.Before != nil {
		l.confirmed = m.Before
	}
	return l
}

// heard takes note of what an agent says of its grant, whether it is the first time
// that it says something, and whether it knows this booster's term already, so that
// it can't be granted anything by another any more. made is when it surely had not said
// it yet, zero when that is not known.
func (l *lease) heard(now, made time.Time, ask Ask, first, fenced bool) {
	if l.unmarked && first && ask.Term != 0 {
		l.unmarked, l.unknown = false, true
	}
	if ask.Grant != 0 && ask.Server != l.holder && (l.unknown || l.holder == "") {
		// The mark was not the last word, or there is none any more.
		*l = lease{holder: ask.Server, next: l.next, nextSince: l.nextSince, renewed: now, witnesses: ask.Witnesses}
	}
	switch {
	case ask.Server != l.holder:
	case ask.Grant != 0 && l.grant == 0:
		l.grant, l.running, l.unknown = ask.Grant, ask.Runs == Lead, false
		l.settled = l.running && ask.Age >= settledAge
	case ask.Grant != 0 && ask.Grant == l.grant:
		l.running = ask.Runs == Lead
	case ask.Grant == 0 && l.grant != 0 && (ask.Offer == 0 || ask.Offer != l.offer):
		l.end(now, made, ask.Ended) // its process has ended
		return
	}
	if ask.Server == l.holder && ask.Grant != 0 && ask.Grant == l.grant && l.running && made.After(l.alive) {
		l.alive = made
	}
	if l.unknown && ask.Grant == 0 && l.asked != nil && fenced {
		l.asked[ask.Server] = true
		if len(l.others) > 0 && !slices.ContainsFunc(l.others, func(name string) bool { return !l.asked[name] }) {
			l.end(now, time.Time{}, 0)
		}
	}
}

// end notes that surely nobody has the lease. told is how long ago its process ended, by
// the word of the holder's agent, which had not said it before made; 0: there is none.
func (l *lease) end(now, made time.Time, told time.Duration) {
	*l = lease{
		next: l.next, nextSince: l.nextSince, last: l.holder, ended: now, lost: !l.revoked, vacant: l.left(now, made, told),
	}
}

// answer fills in the answer to the holder. It reports false when the lease is not
// the asking server's.
func (l *lease) answer(now time.Time, ask Ask, a *Answer) bool {
	if l.holder != ask.Server || l.grant == 0 {
		return false
	}
	if l.revoked || ask.Grant != 0 && ask.Grant != l.grant {
		a.Part = Follower
		return true
	}
	a.Part, a.Grant, a.Offer = Lead, l.grant, l.offer
	if !l.running {
		a.Vacant, a.Sifted = l.vacant.told(now), l.sifted
	}
	l.renewed = now
	return true
}

// expire notes that the holder's lease has surely run out. Where only one booster is
// configured the holder may go on without it; then more than half of its witnesses
// must be among those that hearing counts, see the package's comment.
func (l *lease) expire(now time.Time, alone bool, hearing func(names []string) int) bool {
	if l.holder == "" && !l.unknown || now.Sub(l.renewed) < FenceTime {
		return false
	}
	if alone && l.holder != "" {
		for _, names := range [][]string{l.witnesses, l.confirmed} {
			if 2*hearing(names) <= len(names) {
				return false
			}
		}
	}
	l.end(now, time.Time{}, 0)
	return true
}

// give makes a server the holder, on its offer.
func (l *lease) give(now time.Time, server string, offer, grant uint64, witnesses []string) {
	*l = lease{
		next: l.next, nextSince: l.nextSince, holder: server, offer: offer, grant: grant, given: now,
		renewed: now, witnesses: witnesses, confirmed: witnesses, vacant: l.vacant,
	}
}
