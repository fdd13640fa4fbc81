package pair

import (
	"context"
	"time"
)

const (
	// lookEvery is how often a planned failover looks how far it is.
	lookEvery = 5 * time.Millisecond

	// addressOff bounds the wait for the virtual IP's leaving this machine, which is
	// two beats after the place was granted.
	addressOff = time.Second
)

// handOver begins a planned failover: this booster is drained, and offers its place.
// The loop calls it.
func (p *Pair) handOver() {
	ctx, cancel := context.WithTimeout(p.ctx, p.cfg.DrainTimeout)
	p.handing = cancel
	p.wg.Go(func() {
		p.cfg.Drain(ctx)
		cancel()
		untaken := false
		if p.offer() {
			p.await(addressOff, func() bool { return !p.Status().VirtualIP })
		} else if untaken = p.ctx.Err() == nil && p.Status().State == Active; untaken {
			p.cfg.Logger.Warn("the other booster did not take over")
		}
		p.cfg.Resume()
		p.do(func(m *machine) {
			p.handing = nil
			if untaken {
				m.stay(p.cfg.clock())
				p.untaken.Add(1) // at once, or who asks in between would wait for nothing
			}
		})
	})
}

// offer offers this booster's place, if the other one is heard, for as long as an offer
// stands, and says whether this one is the active one no more.
func (p *Pair) offer() bool {
	offered := false
	p.do(func(m *machine) { offered = m.handover(p.cfg.clock()) })
	taken := func() bool { return p.Status().State != Active }
	return offered && p.await(yieldFor+p.cfg.Failover, taken)
}

// await looks until ok, and says whether it came to that within the time and before
// the pair's end.
func (p *Pair) await(within time.Duration, ok func() bool) bool {
	end := time.NewTimer(within)
	defer end.Stop()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			return false
		case <-p.ctx.Done():
			return false
		}
	}
	return true
}
