package pair

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/internal/durable"
)

const (
	// inboxLength bounds messages that wait: some three seconds of all that a
	// pair with five witnesses sends.
	inboxLength = 512

	// wantFor is how long an operator's wish to take over stands.
	wantFor = 20 * time.Second

	// saveAgain is when saving is tried again after it failed.
	saveAgain = time.Second
)

// Why a planned failover does not come about: it needs the other booster, and that is
// not heard, or does not take the place that it is offered.
var (
	ErrNoPeer   = errors.New("the other booster is not heard")
	ErrNotTaken = errors.New("the other booster did not take over")
)

// Pair is this process's part in the pair. New prepares it, Start takes part,
// Close ends it; nothing but Start may be called before Start. All methods may
// be called concurrently.
type Pair struct {
	cfg    Config
	keeper *keeper // nil: no address
	inbox  chan []byte
	acts   chan func(*machine)
	saves  chan saved // the newest that is to be saved
	saved  chan saved
	notify chan struct{}

	lease      atomic.Pointer[Lease] // nil: not active
	status     atomic.Pointer[Status]
	refused    atomic.Uint64
	dropped    atomic.Uint64
	sendFailed atomic.Uint64
	takeovers  atomic.Uint64

	m       *machine           // the loop's
	handing context.CancelFunc // the loop's; ends Drain; nil: no planned failover is under way
	untaken atomic.Uint64      // how often the other booster did not take over as planned
	problem atomic.Pointer[string]

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup
	once sync.Once
	done chan struct{} // closed when all has ended
}

// New reads what the node knew before it was stopped and takes a virtual IP off
// that an earlier run has left. It fails when the state can't be read, or the
// address can't be removed.
func New(c Config) (*Pair, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make pair's state folder: %w", err)
	}
	if err := durable.Sweep(c.StateDir); err != nil {
		// It is in nobody's way, and a booster must be able to start on a disk that can only be read.
		c.Logger.Warn("what a crash left in the pair's state folder can't be removed", "error", err)
	}
	s, err := load(c.StateDir)
	if err != nil {
		return nil, err
	}
	if c.Address != nil {
		if err := c.Address.Remove(); err != nil {
			return nil, fmt.Errorf("take off what an earlier run left: %w", err)
		}
	}
	p := &Pair{
		cfg:    c,
		inbox:  make(chan []byte, inboxLength),
		acts:   make(chan func(*machine)),
		saves:  make(chan saved, 1),
		saved:  make(chan saved),
		notify: make(chan struct{}, 1),
		done:   make(chan struct{}),
	}
	p.m = newMachine(settings{
		name: c.Name, role: c.Role, failover: c.Failover, preempt: c.Preempt, gone: witnessGone, run: newRun(), saved: s,
	}, c.clock())
	st := p.m.status()
	p.status.Store(&st)
	if c.Address != nil {
		p.keeper = &keeper{address: c.Address, guard: c.Guard, log: c.Logger, clock: c.clock, wake: make(chan struct{}, 1)}
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p, nil
}

// newRun is a random number for a run, never 0.
func newRun() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand.Read
	return binary.LittleEndian.Uint64(b[:]) | 1
}

// Start takes part. It must be called once.
func (p *Pair) Start() {
	keeperCtx, stopKeeper := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	if p.keeper != nil {
		keeping.Go(func() { p.keeper.run(keeperCtx) })
	}
	p.wg.Go(func() { p.saver(p.ctx) })
	p.wg.Go(func() { p.teller(p.ctx) })
	p.wg.Go(func() { p.loop(p.ctx) })
	go func() {
		p.wg.Wait()
		stopKeeper() // after the last word of the loop
		keeping.Wait()
		close(p.done)
	}()
}

// loop runs the machine.
func (p *Pair) loop(ctx context.Context) {
	defer p.lease.Store(nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-p.inbox:
			p.take(b)
		case act := <-p.acts:
			act(p.m)
		case s := <-p.saved:
			p.m.wasSaved(s, p.cfg.clock())
		case <-timer.C:
			// On a machine that is busy there may be both, and what was not read yet is
			// no silence of the other booster's.
			for range len(p.inbox) {
				p.take(<-p.inbox)
			}
			p.m.tick(p.cfg.clock())
		}
		p.settle()
		timer.Reset(max(p.m.wake()-p.cfg.clock(), 0))
	}
}

// take has the machine receive a message.
func (p *Pair) take(b []byte) {
	in, err := decodeMessage(b)
	if err != nil {
		p.refused.Add(1)
		return
	}
	p.m.receive(in, p.cfg.clock())
}

// settle does what the machine has decided.
func (p *Pair) settle() {
	m := p.m
	if m.state == Active {
		p.lease.Store(&Lease{Term: m.term, Until: m.leaseEnd()})
	} else {
		p.lease.Store(nil)
	}
	if p.keeper != nil {
		p.keeper.aim(target{until: m.addressEnd(), fading: m.now < m.away.until, announces: m.announces})
	}
	for _, out := range m.outbox {
		b, err := out.m.encode()
		if err == nil {
			err = p.cfg.Send(out.to, b)
		}
		if err != nil {
			p.sendFailed.Add(1)
		}
	}
	m.outbox = m.outbox[:0]
	if m.refused > 0 {
		p.refused.Add(m.refused)
		m.refused = 0
	}
	if m.save != nil {
		select {
		case <-p.saves: // what waits is overtaken
		default:
		}
		p.saves <- *m.save
		m.save = nil
	}
	switch {
	case p.handing != nil && m.state != Active:
		p.handing() // what is drained is this booster's no more
	case p.handing == nil && m.isWished():
		p.cfg.Logger.Info("the other booster takes over as planned", "peer", m.peer.name)
		p.handOver()
	}
	before, now := p.status.Load(), m.status()
	p.status.Store(&now)
	if now.Problem != "" && before.Problem == "" {
		p.cfg.Logger.Error(now.Problem)
	}
	if now.news(*before) {
		p.log(*before, now)
		poke(p.notify)
	}
}

// log says what operators should know.
func (p *Pair) log(before, now Status) {
	switch {
	case now.State == Active && before.State != Active:
		p.takeovers.Add(1)
		p.cfg.Logger.Warn("this booster is active", "term", now.Term, "peer", now.Peer, "peer_heard", now.PeerHeard)
	case now.State != Active && before.State == Active:
		p.cfg.Logger.Warn("this booster is standby", "term", now.Term, "peer", now.Peer, "peer_active", now.PeerActive)
	case now.PeerActive && !before.PeerActive:
		p.cfg.Logger.Info("the other booster is active", "term", now.Term, "peer", now.Peer)
	}
}

// do has the loop call f and waits for it; it returns false when the pair has
// ended.
func (p *Pair) do(f func(*machine)) bool {
	ran := make(chan struct{})
	select {
	case p.acts <- func(m *machine) { f(m); close(ran) }:
		<-ran
		return true
	case <-p.ctx.Done():
		return false
	}
}

// saver saves what the machine must not forget.
func (p *Pair) saver(ctx context.Context) {
	for {
		var s saved
		select {
		case s = <-p.saves:
		case <-ctx.Done():
			return
		}
		for {
			err := store(p.cfg.StateDir, s)
			if err == nil {
				break
			}
			text := err.Error()
			if p.problem.Swap(&text) == nil {
				p.cfg.Logger.Error("pair state can't be saved: this booster can't take over", "error", err)
			}
			select {
			case <-time.After(saveAgain):
			case s = <-p.saves:
			case <-ctx.Done():
				return
			}
		}
		p.problem.Store(nil)
		select {
		case p.saved <- s:
		case <-ctx.Done():
			return
		}
	}
}

// teller tells of changes.
func (p *Pair) teller(ctx context.Context) {
	for {
		select {
		case <-p.notify:
			p.cfg.Changed(p.Status())
		case <-ctx.Done():
			return
		}
	}
}
