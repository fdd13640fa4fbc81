package rollout

import (
	"fmt"
	"time"

	"github.com/omflow/booster/internal/rollout/owners"
)

// simServer is a machine with an agent and an OMFLOW Server.
type simServer struct {
	w      *world
	name   string
	agent  *simAgent
	proc   *process // that lives, or nil
	starts int
	gone   bool // the machine is lost
	ended  time.Time
	// leadEnded is when a lead process ended here last.
	leadEnded time.Time
	hangs     bool // a process that is started does not become well
	crash     bool // it ends soon
	unseen    bool // boosters have yet to see that it is up
}

// process is one life of an OMFLOW Server.
type process struct {
	s        *simServer
	lead     bool
	grant    uint64
	born     time.Time
	ready    time.Time
	epoch    Epoch
	stale    bool
	pauses   int       // that it does not know of
	deadline time.Time // the guard's
	ended    chan struct{}
	mine     map[*ticket]bool // in its queue
	release  uint64
}

// item is a row of the journal.
type item struct {
	key    string
	ticket *ticket
}

// ticket goes through steps, each of which takes its time.
type ticket struct {
	id    int
	steps []time.Duration
	done  int
	runs  []*run
	// between is the process that has it between two steps, since when; nil: it has a row,
	// or is done.
	between *process
	since   time.Time
}

// run is one execution of a step.
type run struct {
	step  int
	p     *process
	state string // "runs", "done", "interrupted"
}

func (w *world) addServer(name string) *simServer {
	s := &simServer{w: w, name: name}
	s.agent = newSimAgent(s)
	w.servers = append(w.servers, s)
	return s
}

// up reports whether the health checks say so.
func (s *simServer) up() bool {
	return !s.gone && s.proc != nil && !s.hangs && !s.w.releases.bad[s.proc.release] && !time.Now().Before(s.proc.ready)
}

// begin starts a process. The caller holds w.mu, here and below.
func (s *simServer) begin(lead bool, grant uint64, until time.Time) *process {
	w := s.w
	if s.proc != nil {
		w.problem("%s is started while it runs", s.name)
	}
	if other := w.lead(); lead && other != nil {
		w.problem("%s is started as the lead while %s is", s.name, other.name)
	}
	now := time.Now()
	p := &process{
		s: s, lead: lead, grant: grant, born: now, ready: now.Add(w.boot + time.Second), stale: w.dbDown,
		epoch: s.agent.tenant.NextEpoch(s.agent.release), deadline: until.Add(GuardTime), ended: make(chan struct{}), mine: make(map[*ticket]bool),
		release: s.agent.release,
	}
	s.proc = p
	s.starts++
	w.note("%s is started, lead %t", s.name, lead)
	if s.crash {
		w.go_(func() {
			if w.sleep(w.ctx, time.Second) {
				w.do(p.kill)
			}
		})
	}
	if lead {
		w.go_(p.guard)
		w.go_(p.replay)
	}
	return p
}

// kill ends a process.
func (p *process) kill() {
	select {
	case <-p.ended:
		return
	default:
	}
	close(p.ended)
	p.s.proc, p.s.ended = nil, time.Now()
	// Another process is never there at once.
	p.s.agent.retry, p.s.agent.changed = time.Now().Add(time.Second/2), true
	if p.lead {
		p.s.leadEnded, p.s.w.leadEnded = time.Now(), time.Now()
	}
	p.s.w.note("%s has ended, lead %t, with %d tickets", p.s.name, p.lead, len(p.mine))
}

func (p *process) wait(d time.Duration) bool {
	t := time.NewTimer(max(d, time.Nanosecond)) // see sleep
	defer t.Stop()
	select {
	case <-p.ended:
		return false
	case <-p.s.w.ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// guard kills a lead process whose lease is over.
func (p *process) guard() {
	for p.wait(100 * time.Millisecond) {
		p.s.w.do(func() {
			if time.Now().After(p.deadline) {
				p.kill()
			}
		})
	}
}

// replay takes all that the journal holds into the process's own queue.
func (p *process) replay() {
	if !p.wait(p.s.w.boot / 2) {
		return
	}
	p.s.w.do(func() {
		for id, it := range p.s.w.rows {
			p.take(id, it)
		}
	})
}

// take puts a row into the process's queue.
func (p *process) take(id int64, it *item) {
	p.mine[it.ticket] = true
	p.s.w.go_(func() { p.work(id, it.ticket) })
}

// work runs a ticket's next step, and the next one.
func (p *process) work(id int64, t *ticket) {
	w := p.s.w
	w.mu.Lock()
	if p.dead() {
		w.mu.Unlock()
		return
	}
	if p.stale {
		w.mu.Unlock()
		return
	}
	step := t.done
	if step >= len(t.steps) || w.rows[id] == nil {
		w.problem("ticket %d is worked on by %s, but is done", t.id, p.s.name)
		w.mu.Unlock()
		return
	}
	r := &run{step: step, p: p, state: "runs"}
	for _, o := range t.runs {
		if o.step == step && o.state == "runs" && !o.p.dead() {
			w.problem("step %d of ticket %d runs on %s while %s runs it", step, t.id, p.s.name, o.p.s.name)
		}
	}
	t.runs = append(t.runs, r)
	w.mu.Unlock()
	ok := p.wait(t.steps[step])
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok || p.dead() || p.stale {
		r.state = "interrupted"
		return
	}
	r.state = "done"
	delete(w.rows, id)
	t.done++
	if t.done == len(t.steps) {
		delete(p.mine, t)
		return
	}
	if w.gap > 0 {
		t.between, t.since = p, time.Now()
		w.mu.Unlock()
		p.wait(w.gap)
		w.mu.Lock()
		if p.dead() || p.stale {
			return
		}
		t.between = nil
	}
	p.take(w.addRow(t))
}

// restore writes the rows of tickets that stand still between two steps, as an agent does
// before a lead process's start. sifted: those that have been there for a moment only, too.
func (w *world) restore(sifted bool) {
	for _, t := range w.tickets {
		if t.between == nil || !sifted && time.Since(t.since) < StrandedTime {
			continue
		}
		if !t.between.dead() && !t.between.stale {
			w.problem("ticket %d is taken from %s, which has it between two steps", t.id, t.between.s.name)
		}
		t.between = nil
		w.addRow(t)
		w.restored++
	}
}

// stranded tells when a process of the server has ended that had tickets between two
// steps, which stand there; the zero time if none has.
func (s *simServer) stranded() (at time.Time) {
	for _, t := range s.w.tickets {
		if t.between != nil && t.between.s == s && t.between.dead() && s.ended.After(at) {
			at = s.ended
		}
	}
	return at
}

func (p *process) dead() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

func (w *world) addRow(t *ticket) (int64, *item) {
	w.rowID++
	it := &item{key: fmt.Sprintf("flow/%d/%d", t.id, t.done), ticket: t}
	w.rows[w.rowID] = it
	return w.rowID, it
}

// simFlow is the flow of all tickets.
const simFlow = "dc33fb340034418c8fbb3baf15525e86"

// names is how a row of the journal names the ticket.
func (t *ticket) names() owners.Ticket {
	return owners.Ticket{Flow: simFlow, No: int64(t.id), Row: int64(t.id)}
}

// openVia makes a ticket on a server that is up, by a request through a booster.
func (s *simServer) openVia(b *simBooster, steps ...time.Duration) *ticket {
	number := b.book.Sent(time.Now(), s.name, owners.Request{Flow: simFlow})
	t := s.open(steps...)
	b.book.Done(time.Now(), number, int64(t.id))
	return t
}

// open makes a ticket on a server that is up, as a schedule does: no booster knows of it.
func (s *simServer) open(steps ...time.Duration) *ticket {
	t := &ticket{id: len(s.w.tickets) + 1, steps: steps}
	s.w.tickets = append(s.w.tickets, t)
	s.proc.take(s.w.addRow(t))
	return t
}

// check tells whether each step has run to its end exactly once, and was begun again
// only after it was interrupted.
func (t *ticket) check(w *world) {
	done, broken := make(map[int]int), 0
	for _, r := range t.runs {
		switch r.state {
		case "done":
			done[r.step]++
		case "interrupted":
			broken++
		default:
			w.problem("step %d of ticket %d still runs", r.step, t.id)
		}
	}
	for step := range t.steps {
		if done[step] != 1 {
			w.problem("step %d of ticket %d was done %d times", step, t.id, done[step])
		}
	}
	if len(t.runs) != len(t.steps)+broken {
		w.problem("the %d steps of ticket %d were run %d times", len(t.steps), t.id, len(t.runs))
	}
}

// outage takes the database away, or gives it back: what was begun before stands still.
func (w *world) outage(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dbDown = down
	w.note("database down: %t", down)
	for _, s := range w.servers {
		if down && s.proc != nil {
			s.proc.stale = true
		}
	}
}

// lose takes a machine away.
func (s *simServer) lose() {
	s.gone = true
	if s.proc != nil {
		s.proc.kill()
	}
	s.agent.stop()
}
