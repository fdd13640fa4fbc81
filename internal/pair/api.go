package pair

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// Receive takes what a node of the cluster has sent with Config.Send. It keeps
// no b, does not block, and counts what it can't take.
func (p *Pair) Receive(b []byte) {
	if len(b) > MaxMessage {
		p.refused.Add(1)
		return
	}
	select {
	case p.inbox <- bytes.Clone(b):
	default:
		p.dropped.Add(1)
	}
}

// SetPeer says which node the other booster is, "" for that none is known. It
// waits for the pair's loop, which never blocks.
func (p *Pair) SetPeer(name string) { p.do(func(m *machine) { m.setPeer(name) }) }

// SetAgents says which agents are there now. The active booster chooses its
// witnesses among them. It waits for the pair's loop, which never blocks.
func (p *Pair) SetAgents(names []string) { p.do(func(m *machine) { m.setAgents(names) }) }

// Active says whether this booster may act as the active one at this moment.
// It reads the clock and takes no lock: it is to be asked at each act, for a
// process that stood still finds only so that its time is over.
func (p *Pair) Active() bool {
	_, ok := p.Lease()
	return ok
}

// Lease returns this booster's right to act as the active one; ok is false when
// it has none at this moment.
func (p *Pair) Lease() (l Lease, ok bool) {
	held := p.lease.Load()
	if held == nil || held.Until <= p.cfg.clock() {
		return Lease{}, false
	}
	return *held, true
}

// Status returns how the pair looks.
func (p *Pair) Status() Status {
	s := *p.status.Load()
	// The lease may be newer than the rest, and of another term.
	l, ok := p.Lease()
	s.Held = ok && s.State == Active && l.Term == s.Term
	wrong := ""
	if p.keeper != nil {
		s.VirtualIP, wrong = p.keeper.status()
	}
	if text := p.problem.Load(); text != nil {
		wrong = *text
	}
	if s.Problem == "" {
		s.Problem = wrong
	}
	return s
}

// Metrics returns the counters as they are now.
func (p *Pair) Metrics() Metrics {
	return Metrics{
		Refused:    p.refused.Load(),
		Dropped:    p.dropped.Load(),
		SendFailed: p.sendFailed.Load(),
		Takeovers:  p.takeovers.Load(),
	}
}

// Failover has the boosters change places, and returns when they have. It may be
// called on either. It fails with ErrNoPeer when the other one is not heard, with
// ErrNotTaken when that does not take over, or nothing is heard of it for 5 s after this
// one has lost the place, and when ctx ends; the attempt may go on then. It lasts as long as Config.Drain and some milliseconds.
func (p *Pair) Failover(ctx context.Context) error {
	var was State
	var untaken uint64
	ok := true
	if !p.do(func(m *machine) {
		was, untaken = m.state, p.untaken.Load()
		m.advance(p.cfg.clock())
		switch {
		case !m.inTouch():
			ok = false
		case was == Standby:
			m.want(wantFor, p.cfg.clock())
		case p.handing == nil:
			p.handOver()
		}
	}) {
		return fmt.Errorf("change places: %w", context.Canceled)
	}
	if !ok {
		return fmt.Errorf("change places: %w", ErrNoPeer)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	down := time.Duration(0) // since when this one has stood down, by the pair's clock
	for {
		// A booster that stands down without a successor has not failed over.
		s := p.Status()
		switch {
		case s.State != was && (s.Held || s.PeerActive):
			return nil
		case was != Active || s.State == Active:
			down = 0
		case down == 0:
			down = p.cfg.clock()
		case p.cfg.clock()-down > wordTime:
			return fmt.Errorf("change places: %w", ErrNotTaken)
		}
		if p.untaken.Load() != untaken {
			return fmt.Errorf("change places: %w", ErrNotTaken)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("change places: %w", ctx.Err())
		case <-p.ctx.Done():
			return fmt.Errorf("change places: %w", context.Canceled)
		}
	}
}

// Close hands over to the other booster, if this one is active and hears it,
// gives up the virtual IP and ends the pair. ctx bounds the handing over, which
// lasts as long as Config.Drain.
// Further calls wait for the first.
func (p *Pair) Close(ctx context.Context) error {
	var err error
	p.once.Do(func() {
		if s := p.Status(); s.State == Active && s.PeerHeard {
			if err = p.Failover(ctx); err != nil {
				err = fmt.Errorf("close pair: %w", err)
			}
		}
		p.stop()
	})
	<-p.done
	return err
}
