package sequence

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/rollout"
)

const (
	// pollTime is how often it is looked whether this booster has become the active
	// one.
	pollTime = 200 * time.Millisecond
	// gatherTime is how long a booster that has just become the active one, and
	// reaches nobody, waits for other nodes to join.
	gatherTime = 2 * time.Second
	// compareTime is how often the active booster compares its sequence with the other
	// nodes', besides whenever it has a reason.
	compareTime = 30 * time.Second
	// callTime bounds one call to another node.
	callTime = 2 * time.Second
	// catchUpTime bounds the copying of what another booster has missed.
	catchUpTime = 30 * time.Second
	// reopenTime is between two tries to open a release log that could not be opened.
	reopenTime = 10 * time.Second
	// chainTime bounds the fetching of a whole sequence.
	chainTime = 5 * time.Minute
)

// errNotReady: numbers can't be given out yet.
var errNotReady = errors.New("this booster has just taken over and compares its releases with the other nodes'; try again")

// Sequencer is one booster's part. All methods may be called concurrently.
type Sequencer struct {
	cfg    Config
	log    *slog.Logger
	chain  *history.Log
	client api.Client
	wake   chan struct{}
	// work holds one while somebody changes the sequence or what is said of it. It
	// comes before mu.
	work   chan struct{}
	closed chan struct{}
	// What follows is of whoever holds work.
	approvals approvals
	keep      int
	vacant    string // why nothing takes the place of a release in quarantine; see replace

	mu     sync.Mutex
	term   uint64
	active bool
	since  time.Time // of being active
	// settled: the sequence was compared with the others' since then. ready: and
	// nothing has been seen meanwhile that this booster does not know.
	settled, ready bool
	seen           uint64 // the highest term that another booster has copied with
	view           view
	memory         map[release.Ref]bool // releases that their origin's process has
	// unknown are releases that agents have and nobody could send, and until when that
	// is accepted.
	unknown map[release.Ref]time.Time
}

// view is what can be said of the sequence without asking the disk.
type view struct {
	head, approved release.Ref
	target         rollout.Target
}

// New opens the release log in cfg.Dir. One that can't be opened is no error: a booster
// serves requests without. Run makes the Sequencer work; Close comes after Run has returned.
func New(cfg Config) (*Sequencer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Check == nil {
		cfg.Check = func(*release.Manifest) error { return nil }
	}
	// What stays is up to prune.
	chain, err := history.Open(history.Config{Dir: cfg.Dir, Keep: 1, Tolerate: true, Log: cfg.Logger})
	if err != nil {
		return nil, err
	}
	s := &Sequencer{
		cfg: cfg, log: cfg.Logger, chain: chain, client: api.Client{Do: cfg.Do},
		wake: make(chan struct{}, 1), work: make(chan struct{}, 1), closed: make(chan struct{}),
		keep:   history.DefaultKeep,
		memory: make(map[release.Ref]bool), unknown: make(map[release.Ref]time.Time),
	}
	if err := chain.Trouble(); err != nil {
		s.log.Error("nothing is published or rolled out: this booster's releases can't be opened; it is tried again", "error", err, "every", reopenTime)
	} else {
		s.approvals.load(cfg.Dir, cfg.Logger)
	}
	s.renew()
	return s, nil
}

// reopen opens the release log if it could not be opened before.
func (s *Sequencer) reopen(ctx context.Context) {
	if s.begin(ctx) != nil {
		return
	}
	defer s.end()
	if s.chain.Reopen() != nil {
		return
	}
	s.log.Info("this booster's releases could be opened")
	s.approvals.load(s.cfg.Dir, s.log)
	s.renew()
}

// Close closes the release log, when nobody works on it any more. It must not be called
// twice. Calls that come later fail.
func (s *Sequencer) Close() error {
	close(s.closed)
	s.work <- struct{}{}
	return s.chain.Close()
}

var errClosed = errors.New("this booster ends")

// begin waits until nobody else changes the sequence; end lets the next one.
func (s *Sequencer) begin(ctx context.Context) error {
	select {
	case s.work <- struct{}{}:
	case <-s.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-s.closed:
		s.end()
		return errClosed
	default:
		return nil
	}
}

func (s *Sequencer) end() { <-s.work }

// lead is begin for what only the active booster may do.
func (s *Sequencer) lead(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	s.look()
	active, ready := s.active, s.ready
	s.mu.Unlock()
	trouble := s.chain.Trouble()
	switch {
	case !active:
		s.end()
		return rollout.ErrNotActive
	case trouble != nil:
		s.end()
		return trouble
	case !ready:
		s.end()
		return errNotReady
	}
	return nil
}

// look takes note of whether this booster is the active one. The caller holds mu.
func (s *Sequencer) look() {
	term, active := s.cfg.Active()
	if active == s.active && term == s.term {
		return
	}
	s.active, s.term, s.since, s.settled, s.ready = active, term, time.Now(), false, false
	s.poke()
}

// poke makes Run look at once.
func (s *Sequencer) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Joined tells that another node has joined: its sequence may be newer.
func (s *Sequencer) Joined() { s.poke() }

// Saw tells which release an agent's server has. One that is newer than all that this
// booster knows is looked for, and nothing is rolled out meanwhile.
func (s *Sequencer) Saw(number uint64, hash string) {
	h, err := release.ParseHash(hash)
	if number == 0 || err != nil {
		return
	}
	s.suspect(release.Ref{Number: number, Hash: h})
}

// suspect has a release looked for that another node has, unless it is known, or nobody
// could send it lately.
func (s *Sequencer) suspect(ref release.Ref) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ref.Number <= s.view.head.Number || time.Now().Before(s.unknown[ref]) {
		return false
	}
	if len(s.unknown) >= maxUnknown {
		clear(s.unknown)
	}
	s.unknown[ref] = time.Time{}
	s.ready = false
	s.poke()
	return true
}

// maxUnknown bounds what is remembered of releases that nobody could send.
const maxUnknown = 1000

// renew makes the view anew. The caller holds work, or is New.
func (s *Sequencer) renew() {
	var v view
	v.head = s.chain.Head()
	v.approved = s.approved()
	for _, e := range s.chain.List() {
		if e.Ref == v.approved && e.Quarantined == "" {
			v.target = rollout.Target{Number: e.Ref.Number, Hash: e.Ref.Hash.String(), Origin: e.Origin}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v.target.InMemory = s.memory[v.approved] && v.target.Number != 0
	s.view = v
}

// Head implements api.Chain.
func (s *Sequencer) Head() release.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.head
}

// List implements api.Chain.
func (s *Sequencer) List() []history.Entry { return s.chain.List() }

// Get implements api.Chain.
func (s *Sequencer) Get(number uint64) (*release.Manifest, error) { return s.chain.Get(number) }

// Approved names the newest release that may be rolled out if it is not in quarantine,
// zero for none. Those after it wait for a person.
func (s *Sequencer) Approved() release.Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.approved
}

// Releases returns the Sequencer as a rollout.Coordinator needs it.
func (s *Sequencer) Releases() rollout.Releases { return coordinated{s} }

type coordinated struct{ s *Sequencer }

// Target implements rollout.Releases. There is none on a standby, and while the
// sequence is compared with the other nodes'.
func (c coordinated) Target() rollout.Target {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.look(); !c.s.active || !c.s.ready {
		return rollout.Target{}
	}
	return c.s.view.target
}

// Head implements rollout.Releases.
func (c coordinated) Head() (number uint64, hash string) {
	head := c.s.Head()
	if head.IsZero() {
		return 0, ""
	}
	return head.Number, head.Hash.String()
}

// Failed implements rollout.Releases.
func (c coordinated) Failed(ctx context.Context, number uint64, server, reason string) error {
	return c.s.Failed(ctx, number, server, reason)
}

// Interface guards
var (
	_ api.Booster      = (*Sequencer)(nil)
	_ rollout.Releases = coordinated{}
)
