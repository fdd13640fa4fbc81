package rollout

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

const (
	// ageJitter is how much less a process's age may seem to be than it was before, as that
	// of one that was adopted, whose start is known to a tick of the clock.
	ageJitter = 100 * time.Millisecond
	// retryTime is how long a server that did not come back well is left alone.
	retryTime = time.Minute
	// lostTime is how long the server of an agent that does not ask any more is
	// taken for one that may still run.
	lostTime = 10 * time.Minute
)

// asker is an agent as the coordinator knows it.
type asker struct {
	ask   Ask
	heard time.Time
	// made is when ask was made, as early as that can have been; zero when nothing proves
	// that. answers are those that it may prove it by.
	made    time.Time
	answers answers
	// since is when the agent began to ask and be answered without a gap.
	since time.Time
	// started is when its process was started, as early as that can have been by what was
	// said of it; zero when there is none. sure: it surely was not before.
	started time.Time
	sure    bool
	// restart is the order that it was last given, 0 for none.
	restart uint64
	fast    bool
	// apply is the release that it is being brought to, refused the one that it last
	// did not do well with.
	apply, refused uint64
	// down is since when its server has no process, the zero time when it has one.
	down time.Time
	// failed is when a restart of it last went wrong.
	failed time.Time
	// told is when it was first told to start a follower that it does not say runs.
	told time.Time
	// died: its follower process has ended without an order. mourned: that was taken
	// note of, of one whose agent does not ask any more.
	died, mourned bool
}

// begin is when its process was started, by its last word: if that is proved, then surely
// not before.
func (a *asker) begin() time.Time {
	if a.made.IsZero() {
		return a.heard.Add(-a.ask.Age)
	}
	return a.made.Add(-a.ask.Age)
}

// born is the same, and allows for the way of a word that is not proved: what was there
// before that was not the process's.
func (a *asker) born() time.Time {
	if a.made.IsZero() {
		return a.begin().Add(-ageSlack)
	}
	return a.begin()
}

func (a *asker) alive(now time.Time) bool { return now.Sub(a.heard) < HeardTime }

// agents are those that ask, by server.
type agents map[string]*asker

func (g agents) take(now time.Time, ask Ask) *asker {
	a := g[ask.Server]
	if a == nil {
		a = &asker{}
		g[ask.Server] = a
	}
	if a.since.IsZero() || !ask.Heard || now.Sub(a.heard) > HeardTime {
		a.since = now
	}
	word := asker{ask: ask, heard: now, made: a.answers.made(now, ask)}
	// Another process than before, its age says: it is less, also while there is none.
	another := ask.Runs != a.ask.Runs || ask.Age < a.ask.Age-ageJitter || word.begin().After(a.begin().Add(ageSlack))
	if a.ask.Runs == Follower && a.restart == 0 && ask.Grant == 0 {
		a.died = a.died || another
	}
	a.begun(word, another)
	if ask.Runs != "" {
		a.told = time.Time{}
	}
	switch {
	case ask.Runs != "":
		a.down = time.Time{}
	case a.down.IsZero():
		a.down = now
	}
	a.ask, a.heard, a.made, a.mourned = ask, now, word.made, false
	return a
}

// begun takes note of when the process was started, another one than before or the same.
func (a *asker) begun(word asker, another bool) {
	born, proved := word.begin(), !word.made.IsZero()
	switch {
	case word.ask.Runs == "":
		a.started, a.sure = time.Time{}, false
	case another || a.started.IsZero() || proved && !a.sure:
		a.started, a.sure = born, proved
	case proved && a.sure:
		if born.After(a.started) { // it was started after both
			a.started = born
		}
	case born.Before(a.started):
		a.started = born
	}
}

// candidates returns the servers that can be the lead and whose agents are alive,
// the best first: those that can be kept running, then those on the newest release,
// then those that lack the fewest files, then those with the newest control changes, then
// the one that is preferred, then by name.
func (g agents) candidates(now time.Time, prefer string, epoch Epoch) []string {
	var names []string
	for name, a := range g {
		if a.ask.Candidate && a.ask.Offer != 0 && a.ask.Grant == 0 && a.alive(now) {
			names = append(names, name)
		}
	}
	broken := func(name string) int {
		a, r := g[name], 0
		if a.ask.Failed {
			r += 2
		}
		if now.Sub(a.failed) < retryTime {
			r++
		}
		return r
	}
	rank := func(name string) int {
		a, r := g[name], 0
		if a.ask.Runs != "" && !a.ask.Epoch.Covers(epoch) {
			r += 2
		}
		if name != prefer {
			r++
		}
		return r
	}
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(broken(x), broken(y)), cmp.Compare(g[y].ask.Release, g[x].ask.Release),
			cmp.Compare(g.lag(x, prefer), g.lag(y, prefer)), cmp.Compare(rank(x), rank(y)), cmp.Compare(x, y))
	})
	return names
}

// unknownLag is the lag of a server that may lack any number of files.
const unknownLag = math.MaxInt

// lag is how many files of the replicated folder a server lacks that others have. What it
// has not compared with the others is nothing to it while there was no lead server yet, and
// nothing to the one that was the lead last, lead: what came since it came there.
func (g agents) lag(server, lead string) int {
	a := g[server]
	if a.ask.Uncompared && lead != "" && server != lead {
		return unknownLag
	}
	return a.ask.MissingFiles
}

// born returns when the oldest living process was started, as early as that can have
// been; the zero time if that is not known of all, or a lead process lives, which has
// replayed what is older than itself. without is left out.
func (g agents) born(now time.Time, without string) time.Time {
	var oldest time.Time
	for name, a := range g {
		if !a.ask.Candidate {
			return time.Time{} // its process is somebody else's
		}
		if name == without {
			continue
		}
		if !a.alive(now) {
			if now.Sub(a.heard) > lostTime {
				continue
			}
			return time.Time{} // the server may go on without its agent
		}
		if a.ask.Runs == Lead {
			return time.Time{} // it has taken over what is older
		}
		born := a.born()
		if a.ask.Runs == "" {
			if a.told.IsZero() {
				continue
			}
			born = a.told // it may have been started since
		}
		if oldest.IsZero() || born.Before(oldest) {
			oldest = born
		}
	}
	if oldest.IsZero() {
		return now // none lives
	}
	return oldest
}

// absent returns the servers that the booster before knew and whose agents have not
// asked this one yet: they may run.
func (c *Coordinator) absent(now time.Time) []string {
	var names []string
	for _, name := range c.before {
		if c.agents[name] == nil && now.Sub(c.since) < lostTime {
			names = append(names, name)
		}
	}
	return names
}

// hearing counts those of the named agents that have heard this booster without a gap
// for FenceTime.
func (g agents) hearing(now time.Time, names []string) int {
	n := 0
	for _, name := range names {
		if a := g[name]; a != nil && a.alive(now) && a.ask.Heard && now.Sub(a.since) >= FenceTime {
			n++
		}
	}
	return n
}

// witnesses names up to MaxWitnesses agents beside the holder, and keeps those that were
// named before as long as they are alive.
func (g agents) witnesses(now time.Time, holder string, before []string) []string {
	names := make([]string, 0, MaxWitnesses)
	for _, name := range before {
		if a := g[name]; a != nil && a.alive(now) && name != holder {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if len(names) < MaxWitnesses && name != holder && g[name].alive(now) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
