package gossip

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// State is what is known of a member.
type State string

// States of a member.
const (
	// Alive: it answers.
	Alive State = "alive"
	// Suspect: it did not answer a probe, directly or by others, and is given
	// one to three seconds to say that it lives.
	Suspect State = "suspect"
	// Dead: it did not answer for longer, or never did.
	Dead State = "dead"
	// Left: it said that it goes.
	Left State = "left"
)

const (
	// deadShown and leftShown are how long a member is shown after it died or
	// left.
	deadShown = 24 * time.Hour
	leftShown = time.Hour

	// maxMembers bounds how many are remembered. Beyond a few hundred nodes
	// OMFLOW's database is at its end anyway.
	maxMembers = 1024
)

// Member is one node of the cluster, this one included.
type Member struct {
	// Name is the node's name; of a peer that never answered, the address as
	// it was given in Config.Join.
	Name string
	// Kind is KindBooster, KindAgent, or what a later version may know.
	Kind string
	// Version is the node's program version.
	Version string
	// Address is host:port where it is reached.
	Address string
	State   State
	// Since is when this node saw the state begin, by its own clock.
	Since time.Time
	// Incarnation tells one run of the node from the next.
	Incarnation uint64
	// Self is true for this node.
	Self bool
	// Unknown is true for a peer in Config.Join that never answered since this
	// node started.
	Unknown bool
	// Problem says why a peer of Config.Join can't be reached.
	Problem string
}

// Reachable says whether the member is taken to be there: alive or suspect.
func (m Member) Reachable() bool { return m.State == Alive || m.State == Suspect }

// table is what is known of the members, those that memberlist has forgotten
// included.
type table struct {
	notify *notifier[Member]

	mu sync.RWMutex
	m  map[string]Member
}

func newTable() *table {
	return &table{notify: newNotifier[Member](), m: make(map[string]Member)}
}

func (t *table) get(name string) (Member, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	m, ok := t.m[name]
	return m, ok
}

// all returns the members by name.
func (t *table) all() []Member {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]Member, 0, len(t.m))
	for _, m := range t.m {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// update takes what memberlist knows now and returns the members that changed
// and the names of those that were forgotten.
func (t *table) update(seen []Member, now time.Time) (changed []Member, forgotten []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	has := make(map[string]bool, len(seen))
	for _, m := range seen {
		has[m.Name] = true
		old, known := t.m[m.Name]
		if !known && len(t.m) >= maxMembers {
			gone, ok := t.evict(has)
			if !ok {
				continue
			}
			forgotten = append(forgotten, gone)
		}
		m.Since = now
		if known && old.State == m.State && old.Incarnation == m.Incarnation {
			m.Since = old.Since
		}
		if m != old {
			t.m[m.Name] = m
			changed = append(changed, m)
		}
	}
	for name, m := range t.m {
		if has[name] {
			continue
		}
		switch age := now.Sub(m.Since); {
		case m.Reachable():
			// It died and was forgotten between two looks.
			m.State, m.Since = Dead, now
			t.m[name] = m
			changed = append(changed, m)
		case m.State == Dead && age >= deadShown, m.State == Left && age >= leftShown:
			delete(t.m, name)
			forgotten = append(forgotten, name)
		}
	}
	for _, m := range changed {
		t.notify.publish(m.Name, m)
	}
	return changed, forgotten
}

// evict makes room by forgetting the one that has been gone for longest.
// Callers hold mu.
func (t *table) evict(keep map[string]bool) (oldest string, ok bool) {
	for name, m := range t.m {
		if !keep[name] && !m.Reachable() && (oldest == "" || m.Since.Before(t.m[oldest].Since)) {
			oldest = name
		}
	}
	delete(t.m, oldest)
	return oldest, oldest != ""
}

// Members returns all members by name, this node included, and the peers in
// Config.Join that never answered.
func (n *Node) Members() []Member {
	out := n.members.all()
	for _, s := range n.seeds.status() {
		i := slices.IndexFunc(out, func(m Member) bool { return slices.Contains(s.names, m.Name) })
		switch {
		case s.self:
		case i >= 0:
			if !out[i].Reachable() {
				out[i].Problem = s.problem
			}
		case slices.ContainsFunc(out, func(m Member) bool { return m.Address == s.target && !m.Self }):
			// It joined us before we reached it.
		default:
			out = append(out, Member{Name: s.target, Kind: KindBooster, Address: s.target, State: Dead, Since: s.since, Unknown: true, Problem: s.problem})
		}
	}
	return out
}

// Subscribe calls f for each member that joins, changes its state or address,
// or is restarted. A member that is alive when its Incarnation changes was
// restarted faster than it could be missed. f is called from one goroutine and
// may call any method of the node; while it runs, changes gather. Members that
// are there already are not told again.
func (n *Node) Subscribe(f func(Member)) (cancel func()) { return n.members.notify.subscribe(f) }
