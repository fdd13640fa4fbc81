package rollout

import (
	"context"
	"errors"
	"time"
)

// simAgent is an agent: a Tenant, and what it does with the process.
type simAgent struct {
	s      *simServer
	cancel context.CancelFunc
	marks  marks
	frozen bool

	tenant *Tenant // the loop's, and those who hold w.mu
	// started is the grant under which a lead process was started.
	started  uint64
	stopping *process
	stopAt   time.Time
	order    uint64 // being carried out
	retry    time.Time
	best     int // the booster to ask first
	delay    time.Duration
	changed  bool
	release  uint64
	staged   uint64
	pending  bool
	trouble  string
	full     bool      // its disk
	applying time.Time // until when it applies a release
	restored time.Time // when files that were gone were brought back
	// missing files of the replicated folder; uncompared: there may be more.
	missing    int
	uncompared bool
}

type heard struct {
	sent   time.Time
	answer Answer
}

func newSimAgent(s *simServer) *simAgent {
	return &simAgent{s: s, tenant: NewTenant(), marks: make(marks)}
}

func (a *simAgent) start() {
	ctx, cancel := context.WithCancel(a.s.w.ctx)
	a.cancel = cancel
	a.s.w.go_(func() { a.run(ctx) })
}

func (a *simAgent) stop() { a.cancel() }

// restart lets an agent crash and come back, which takes over the process that runs.
// The caller holds w.mu.
func (a *simAgent) restart() {
	a.stop()
	b := newSimAgent(a.s)
	b.marks = a.marks
	b.release, b.staged = a.release, a.staged
	if p := a.s.proc; p != nil && p.lead {
		b.tenant.Resume(p.grant, p.deadline.Add(-GuardTime))
		b.started = p.grant
	}
	a.s.agent = b
	b.start()
}

func (a *simAgent) run(ctx context.Context) {
	w := a.s.w
	answers := make(chan heard, 1)
	asking := false
	var next time.Time
	for w.sleep(ctx, 100*time.Millisecond) {
		w.mu.Lock()
		if a.frozen || ctx.Err() != nil {
			w.mu.Unlock()
			continue
		}
		select {
		case h := <-answers:
			asking = false
			if !h.sent.IsZero() {
				a.tenant.Answered(h.sent, time.Now(), h.answer)
			}
		default:
		}
		a.act()
		now := time.Now()
		if !asking && (!now.Before(next) || a.changed) {
			asking, next, a.changed = true, now.Add(AskTime), false
			w.go_(func() { answers <- a.ask(ctx) })
		}
		w.askWitnesses(a)
		w.mu.Unlock()
	}
}

// says is what the agent tells. The caller holds w.mu.
func (a *simAgent) says(now time.Time) Ask {
	ask := Ask{Server: a.s.name, Candidate: true, Release: a.release, Staged: a.staged, Pending: a.pending, Trouble: a.trouble, MissingFiles: a.missing, Uncompared: a.uncompared}
	ask.NextEpoch = a.tenant.NextEpoch(a.release)
	if a.release != 0 {
		ask.ReleaseHash = a.s.w.releases.hash(a.release)
	}
	if p := a.s.proc; p != nil {
		ask.Runs, ask.Age, ask.Epoch, ask.Ready = Follower, now.Sub(p.born), p.epoch, a.s.up()
		if p.lead {
			ask.Runs = Lead
		}
		if p.born.Before(a.restored) {
			ask.ReleaseHash = "" // it may have seen that they were gone
		}
		ask.Stale, ask.Pauses = p.stale && !a.s.w.dbDown, p.pauses
	}
	if !a.s.leadEnded.IsZero() {
		ask.Ended = now.Sub(a.s.leadEnded)
	}
	if at := a.s.stranded(); !at.IsZero() {
		ask.Stranded = max(1, now.Sub(at))
	}
	a.tenant.Fill(now, &ask)
	return ask
}

// ask asks the boosters, one after the other.
func (a *simAgent) ask(ctx context.Context) heard {
	w := a.s.w
	for i := range w.boosters {
		w.mu.Lock()
		index := (a.best + i) % len(w.boosters)
		b := w.boosters[index]
		delay := time.Millisecond + a.delay
		reach := b.alive && w.linked(a.s.name, b.name)
		c := b.coordinator
		now := time.Now()
		ask := a.says(now)
		w.mu.Unlock()
		if !reach {
			if !w.sleep(ctx, 500*time.Millisecond) {
				return heard{}
			}
			continue
		}
		if !w.sleep(ctx, delay) {
			return heard{}
		}
		answer, err := c.Ask(ask)
		if !w.sleep(ctx, delay) {
			return heard{}
		}
		w.mu.Lock()
		reach = b.alive && w.linked(a.s.name, b.name)
		if reach && err == nil {
			a.best = index
		}
		if err != nil && !errors.Is(err, ErrNotActive) {
			w.problem("%s is refused: %s", a.s.name, err)
		}
		w.mu.Unlock()
		if reach && err == nil {
			return heard{sent: now, answer: answer}
		}
	}
	return heard{}
}

// act brings the process to what is wanted. The caller holds w.mu.
func (a *simAgent) act() {
	now := time.Now()
	s := a.s
	if a.stopping != nil {
		if !a.stopping.dead() && now.Before(a.stopAt) {
			return
		}
		a.stopping.kill()
		a.stopping, a.changed = nil, true
	}
	want := a.tenant.Want(now)
	p := s.proc
	var held Ask
	a.tenant.Fill(now, &held)
	if held.Grant != 0 && (p == nil || !p.lead) && (want.Part != Lead || a.started == held.Grant) {
		a.tenant.Released()
		a.changed = true
		return
	}
	if p == nil && want.Apply > a.release && a.trouble == "" { // it never goes back
		a.apply(want.Apply)
		return
	}
	switch {
	case p == nil && now.Before(a.retry):
	case p == nil && want.Part == Lead:
		a.started = want.Grant
		s.w.restore(want.Sifted)
		a.begin(true, want)
	case p == nil && want.Part == Follower:
		a.begin(false, want)
	case p == nil || want.Part == Wait:
	case p.lead != (want.Part == Lead):
		a.halt(p, 3*time.Second)
	case p.lead:
		p.deadline = want.Until.Add(GuardTime)
	case want.Restart != 0:
		s.w.planned(s)
		a.order = want.Restart
		a.halt(p, 3*time.Second)
	}
}

// apply takes a second, and may fail.
func (a *simAgent) apply(n uint64) {
	w := a.s.w
	switch {
	case a.applying.IsZero():
		a.applying = time.Now().Add(time.Second)
	case time.Now().After(a.applying):
		a.applying, a.changed = time.Time{}, true
		if a.full {
			a.trouble = "the disk is full"
			return
		}
		w.note("%s applies release %d", a.s.name, n)
		a.release = n
	}
}

func (a *simAgent) begin(lead bool, want Want) {
	if end := a.s.w.leadEnded; lead && !want.Ran.IsZero() {
		a.s.w.vacancies++
		guessed := want.Ended.Sub(want.Ran) >= heirTime
		if want.Ended.Before(end) || want.Ran.After(end) && !guessed {
			a.s.w.problem("%s is told that a lead ran until %s and none since %s, but it was until %s", a.s.name, want.Ran, want.Ended, end)
		}
	}
	a.s.begin(lead, want.Grant, want.Until)
	if a.order != 0 {
		a.tenant.Restarted(a.order)
		a.order = 0
	}
	a.changed = true
}

func (a *simAgent) halt(p *process, d time.Duration) {
	if p.lead {
		d = StopTime
	}
	a.stopping, a.stopAt = p, time.Now().Add(d)
}

// planned checks that a server may be stopped now. The caller holds w.mu.
func (w *world) planned(s *simServer) {
	for _, o := range w.servers {
		if o != s && !o.gone && !o.up() && !w.faulty {
			w.problem("%s is restarted while %s is not up", s.name, o.name)
		}
	}
}

// askWitnesses lets a holder go on without the booster. The caller holds w.mu.
func (w *world) askWitnesses(a *simAgent) {
	now := time.Now()
	names, ok := a.tenant.Witnesses(now)
	if !ok {
		return
	}
	reached, hears := 0, 0
	for _, name := range names {
		s := w.server(name)
		if s == nil || s.gone || s.agent.frozen || !w.linked(a.s.name, name) {
			continue
		}
		reached++
		if s.agent.tenant.Hears(now) {
			hears++
		}
	}
	a.tenant.Extend(now, names, reached, hears)
}

func (w *world) server(name string) *simServer {
	for _, s := range w.servers {
		if s.name == name {
			return s
		}
	}
	return nil
}
