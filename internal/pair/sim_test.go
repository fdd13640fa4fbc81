package pair

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// sim is a network of two boosters and some witnesses in a time of its own:
// whatever happens, happens at one instant after the other, in an order that
// only the seed decides.
type sim struct {
	rand   *rand.Rand
	now    time.Duration
	queue  events
	serial int
	nodes  []*simNode // boosters first

	failover time.Duration // 0: simFailover

	loss    float64
	delay   time.Duration
	blocked map[[2]string]bool // one way
	old     []packet           // what an attacker has recorded

	terms   map[uint64]string // who used a term, and in which run
	overlap time.Duration     // since when both hold the address, -1 if not
	ends    time.Duration     // when they will not both hold it any more
	longest time.Duration     // that they did
	history []string
	failure string
	// lone: there are no witnesses, so that each may be active by itself.
	lone bool
}

// simNode is a booster or a witness, its disk and its clock.
type simNode struct {
	name    string
	role    Role
	m       *machine // nil: a witness, or dead
	w       *witness
	disk    saved
	agents  []string
	offset  time.Duration // of its clock
	rate    float64       // of its clock
	stopped bool
	dead    bool
	life    int // which run, so that nothing of an earlier one is taken for it
	waiting []func()
	valid   time.Duration // by the sim's time
	address time.Duration
	state   State
	lists   string
	tickAt  time.Duration
}

type event struct {
	at     time.Duration
	serial int
	do     func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	if q[i].at != q[j].at {
		return q[i].at < q[j].at
	}
	return q[i].serial < q[j].serial
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

const (
	simFailover = DefaultFailover
	// simGone has lists of witnesses change often.
	simGone = 700 * time.Millisecond
)

// newSim makes a network of n witnesses. The boosters know them from before,
// if they are to.
func newSim(seed uint64, n int, known bool) *sim {
	s := &sim{
		rand:    rand.New(rand.NewPCG(seed, 1)),
		blocked: make(map[[2]string]bool),
		terms:   make(map[uint64]string),
		overlap: -1,
		delay:   time.Millisecond,
		lone:    n == 0 || !known,
	}
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("w%d", i+1))
	}
	for _, b := range []struct {
		name string
		role Role
	}{{"a", Primary}, {"b", Secondary}} {
		node := s.add(b.name)
		node.role, node.agents = b.role, names
		if known {
			node.disk.Witnesses = list{Serial: 1, Names: names}
		}
	}
	for _, name := range names {
		s.add(name)
	}
	return s
}

func (s *sim) add(name string) *simNode {
	n := &simNode{
		name:   name,
		dead:   true,
		offset: time.Duration(s.rand.Int64N(int64(2 * time.Hour))),
		rate:   1 + (s.rand.Float64()-0.5)/1000,
	}
	s.nodes = append(s.nodes, n)
	return n
}

func (s *sim) node(name string) *simNode {
	for _, n := range s.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

func (s *sim) boosters() []*simNode { return s.nodes[:2] }

// clock is the node's, and back.
func (s *sim) clock(n *simNode) time.Duration {
	return n.offset + time.Duration(float64(s.now)*n.rate)
}

func (n *simNode) global(local time.Duration) time.Duration {
	if local >= forever {
		return forever
	}
	return time.Duration(float64(local-n.offset) / n.rate)
}

func (s *sim) at(t time.Duration, do func()) {
	s.serial++
	heap.Push(&s.queue, event{max(t, s.now), s.serial, do})
}

// run lets time pass until t.
func (s *sim) run(t time.Duration) {
	for len(s.queue) > 0 && s.queue[0].at <= t && s.failure == "" {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		s.check()
		e.do()
		s.check()
	}
	s.now = t
}

func (s *sim) note(format string, args ...any) {
	s.history = append(s.history, fmt.Sprintf("%9.3f ", s.now.Seconds())+fmt.Sprintf(format, args...))
}

func (s *sim) fail(format string, args ...any) {
	if s.failure == "" {
		s.failure = fmt.Sprintf(format, args...)
		s.note("%s", s.failure)
	}
}

// log is the end of what happened.
func (s *sim) log() string {
	return strings.Join(s.history[max(0, len(s.history)-60):], "\n")
}

// start starts a process.
func (s *sim) start(n *simNode) {
	if !n.dead {
		return
	}
	n.dead, n.stopped, n.waiting = false, false, nil
	n.life++
	run := s.rand.Uint64() | 1
	s.note("%s starts", n.name)
	if n.role == "" {
		n.w = newWitness(n.name, run, s.clock(n))
		return
	}
	n.m = newMachine(settings{
		name: n.name, role: n.role, failover: cmp.Or(s.failover, simFailover), preempt: DefaultPreempt, gone: simGone, run: run, saved: n.disk,
	}, s.clock(n))
	other := s.boosters()[0]
	if other == n {
		other = s.boosters()[1]
	}
	n.m.setPeer(other.name)
	n.m.setAgents(n.agents)
	s.settle(n)
}

// kill ends a process; its guard takes the address off at once.
func (s *sim) kill(n *simNode) {
	if n.dead {
		return
	}
	s.note("%s is killed", n.name)
	n.dead, n.m, n.w, n.valid, n.address, n.state = true, nil, nil, 0, 0, ""
}

func (s *sim) stop(n *simNode) {
	if !n.dead && !n.stopped {
		s.note("%s stands still", n.name)
		n.stopped = true
	}
}

// resume lets a process go on, which finds all that came meanwhile, in whatever
// order.
func (s *sim) resume(n *simNode) {
	if n.dead || !n.stopped {
		return
	}
	s.note("%s goes on", n.name)
	n.stopped = false
	all := n.waiting
	n.waiting = nil
	s.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, do := range all {
		do()
	}
}

// on has the node do something, if it is still in the same life, and once it
// goes on if it stands still.
func (s *sim) on(n *simNode, life int, do func()) {
	switch {
	case n.dead || n.life != life:
	case n.stopped:
		n.waiting = append(n.waiting, func() { s.on(n, life, do) })
	default:
		do()
	}
}

// settle does what a driver does after each call of a booster's machine.
func (s *sim) settle(n *simNode) {
	m := n.m
	for _, p := range m.outbox {
		s.transmit(p)
	}
	m.outbox = nil
	life := n.life
	if m.save != nil {
		save := *m.save
		m.save = nil
		s.at(s.now+time.Duration(s.rand.Int64N(int64(20*time.Millisecond))), func() {
			s.on(n, life, func() {
				n.disk = save
				m.wasSaved(save, s.clock(n))
				s.settle(n)
			})
		})
	}
	n.valid, n.address = 0, 0
	if m.state == Active {
		n.valid, n.address = n.global(m.leaseEnd()), n.global(m.addressEnd())
	}
	if l := fmt.Sprintf("%v, before %v", m.list, m.committed); l != n.lists {
		n.lists = l
		s.note("%s has witnesses %s", n.name, l)
	}
	if m.state != n.state {
		n.state = m.state
		s.note("%s is %s in term %d", n.name, m.state, m.term)
		if m.state == Active {
			who := fmt.Sprintf("%s life %d", n.name, n.life)
			if before, used := s.terms[m.term]; used {
				s.fail("term %d of %s was used by %s", m.term, who, before)
			}
			s.terms[m.term] = who
		}
	}
	if wake := max(n.global(m.wake()), s.now+time.Microsecond); n.tickAt <= s.now || wake < n.tickAt {
		n.tickAt = wake
		s.at(wake, func() {
			s.on(n, life, func() {
				n.tickAt = 0
				m.tick(s.clock(n))
				s.settle(n)
			})
		})
	}
}

// transmit sends a message through the network as it is at this moment.
func (s *sim) transmit(p packet) {
	if s.rand.IntN(50) == 0 {
		s.old = append(s.old, p)
		// As it is on the wire; not all, since that takes most of the time.
		b, err := p.m.encode()
		if err == nil {
			_, err = decodeMessage(b)
		}
		if err != nil {
			s.fail("%v: %+v", err, p.m)
			return
		}
	}
	if s.blocked[[2]string{p.m.From, p.to}] || s.rand.Float64() < s.loss {
		return
	}
	s.deliver(p, time.Duration(s.rand.Int64N(int64(s.delay))))
}

func (s *sim) deliver(p packet, after time.Duration) {
	n := s.node(p.to)
	if n == nil {
		return
	}
	life := n.life
	s.at(s.now+after, func() {
		s.on(n, life, func() {
			if n.w != nil {
				if out, ok := n.w.receive(p.m, s.clock(n)); ok {
					s.transmit(packet{out.To, out})
				}
				return
			}
			n.m.receive(p.m, s.clock(n))
			s.settle(n)
		})
	})
}

// check holds what must hold at every instant.
func (s *sim) check() {
	a, b := s.boosters()[0], s.boosters()[1]
	if !s.lone && a.valid > s.now && b.valid > s.now {
		s.fail("both act as active: a until %v, b until %v", a.valid, b.valid)
	}
	if s.overlap >= 0 {
		s.longest = max(s.longest, min(s.now, s.ends)-s.overlap)
	}
	switch s.ends = min(a.address, b.address); {
	case s.ends <= s.now:
		s.overlap = -1
	case s.overlap < 0:
		s.overlap = s.now
	}
}

// cut blocks all ways between the groups and opens those within them.
func (s *sim) cut(groups ...string) {
	s.note("split %v", groups)
	of := make(map[string]int)
	for i, g := range groups {
		for name := range strings.FieldsSeq(g) {
			of[name] = i
		}
	}
	clear(s.blocked)
	for _, x := range s.nodes {
		for _, y := range s.nodes {
			if of[x.name] != of[y.name] {
				s.blocked[[2]string{x.name, y.name}] = true
			}
		}
	}
}

func (s *sim) heal() {
	s.note("heal")
	clear(s.blocked)
}

// active returns the boosters that act as such at this moment.
func (s *sim) active() (names []string) {
	for _, n := range s.boosters() {
		if n.valid > s.now {
			names = append(names, n.name)
		}
	}
	return names
}

// holders returns those that hold the address.
func (s *sim) holders() (names []string) {
	for _, n := range s.boosters() {
		if n.address > s.now {
			names = append(names, n.name)
		}
	}
	return names
}

// until runs until ok, for at most d, and returns how long it took.
func (s *sim) until(d time.Duration, ok func() bool) (took time.Duration, done bool) {
	began := s.now
	for !ok() {
		if s.now-began >= d || s.failure != "" {
			return s.now - began, false
		}
		s.run(s.now + time.Millisecond)
	}
	return s.now - began, true
}

func (s *sim) only(name string) func() bool {
	return func() bool { return slices.Equal(s.active(), []string{name}) }
}

// together starts all and waits until a is active.
func (s *sim) together() bool {
	for _, n := range s.nodes {
		s.start(n)
	}
	if _, ok := s.until(10*time.Second, s.only("a")); !ok {
		return false
	}
	s.run(s.now + time.Second)
	return s.only("a")()
}

func (n *simNode) String() string {
	switch {
	case n.w != nil:
		return fmt.Sprintf("\n%s hears %s in term %d until %v, gave %s until %v, list %v", n.name, n.w.leader, n.w.term, n.global(n.w.until), n.w.given.to, n.global(n.w.given.until), n.w.list)
	case n.m == nil:
		return "\n" + n.name + " is dead"
	}
	text := fmt.Sprintf("\n%s %s term %d vote %v witnesses %v before %v", n.name, n.m.state, n.m.term, n.m.vote, n.m.list, n.m.committed)
	for _, name := range n.m.electorate() {
		text += fmt.Sprintf(" %s until %v", name, n.global(n.m.elector(name).until))
	}
	return text + fmt.Sprintf(" peer until %v", n.global(n.m.peer.until))
}
