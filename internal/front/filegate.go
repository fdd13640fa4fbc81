package front

import (
	"container/list"
	"sync"
	"time"

	"github.com/omflow/booster/internal/balance"
)

// filePause is the time from the end of one create with files to the sending of the
// next of its flow. OMFLOW 1.1.0.0 keeps the files of a new ticket under
// <flow>_<unix second> until the ticket has its number, so that two in one second get
// each other's. A second apart, and a twentieth for the clock being adjusted, is
// enough.
const filePause = 1050 * time.Millisecond

// A FileGate lets creates with files pass one at a time for each flow, and filePause
// apart. There is to be one for all front doors of a process before the same servers,
// and it is to outlive a reload. Creates that other processes send come to it by Join.
// Any goroutine may use it.
//
// Two creates may pass side by side only if they are surely for two flows (flowName).
// Those that wait are let in first come first served, but a later one passes those
// that it has nothing to do with.
//
// The second that counts is that of the lead server's clock, which is not known here:
// it is taken to run as fast as this machine's. That second has passed when filePause
// has; the gate also waits until this machine's clock shows another one, should it have
// been set back meanwhile.
type FileGate struct {
	mu      sync.Mutex
	claims  claims // of all turns: taken, resting and waiting
	taken   map[*fileTurn]struct{}
	waiting list.List // of *fileTurn, oldest first
}

// NewFileGate returns a gate that nobody has passed yet.
func NewFileGate() *FileGate { return &FileGate{taken: make(map[*fileTurn]struct{})} }

// fileTurn is one create's turn.
type fileTurn struct {
	// ready is closed when the create may be sent.
	ready chan struct{}

	gate  *FileGate
	flow  flowName
	place *list.Element // in FileGate.waiting, nil when it is taken
	over  bool
	// elsewhere ends the turn that the create has at another gate; nil without one.
	elsewhere func(sent bool)
}

// join gets in line. It fails with balance.ErrQueueFull when most are waiting. The turn
// must be given back with leave.
func (g *FileGate) join(flow flowName, most int) (*fileTurn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := &fileTurn{ready: make(chan struct{}), gate: g, flow: flow}
	switch {
	case g.claims.allow(flow):
		g.take(t)
	case g.waiting.Len() >= most:
		return nil, balance.ErrQueueFull
	default:
		t.place = g.waiting.PushBack(t)
	}
	g.claims.add(flow, 1)
	return t, nil
}

// take needs g.mu.
func (g *FileGate) take(t *fileTurn) {
	g.taken[t] = struct{}{}
	close(t.ready)
}

// leave ends the turn, or the waiting for it. sent says whether the server may have
// seen the create; it has ended its work on it then. It may be called twice.
func (t *fileTurn) leave(sent bool) {
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.over {
		return
	}
	t.over = true
	if t.elsewhere != nil {
		t.elsewhere(sent)
	}
	if sent {
		end := time.Now()
		time.AfterFunc(filePause, func() { g.rested(t, end) })
		return
	}
	g.drop(t)
}

// rested is called when filePause has passed after a turn's end.
func (g *FileGate) rested(t *fileTurn, end time.Time) {
	if now := time.Now(); now.Unix() == end.Unix() {
		time.AfterFunc(now.Truncate(time.Second).Add(time.Second).Sub(now), func() { g.rested(t, end) })
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(t)
}

// drop forgets a turn and lets those in that it kept out. The caller holds g.mu.
func (g *FileGate) drop(t *fileTurn) {
	g.claims.add(t.flow, -1)
	if t.place != nil {
		g.waiting.Remove(t.place)
		t.place = nil
	}
	delete(g.taken, t)
	var ahead claims
	for other := range g.taken {
		ahead.add(other.flow, 1)
	}
	for e := g.waiting.Front(); e != nil && !ahead.allowsNone(); {
		w := e.Value.(*fileTurn)
		e = e.Next()
		if ahead.allow(w.flow) {
			g.waiting.Remove(w.place)
			w.place = nil
			g.take(w)
		}
		ahead.add(w.flow, 1)
	}
}

// claims counts creates by flow.
type claims struct {
	flows map[flowName]int
	by    [flowNamings]int
}

func (c *claims) add(flow flowName, n int) {
	if c.flows == nil {
		c.flows = make(map[flowName]int)
	}
	if c.flows[flow] += n; c.flows[flow] == 0 {
		delete(c.flows, flow)
	}
	c.by[flow.by] += n
}

// allow reports whether the flow is surely another than all that are counted.
func (c *claims) allow(flow flowName) bool {
	for by, n := range c.by {
		if n > 0 && (flowNaming(by) != flow.by || flow.by == flowUnknown) {
			return false
		}
	}
	return c.flows[flow] == 0
}

// allowsNone reports whether no flow at all is allowed.
func (c *claims) allowsNone() bool {
	return c.by[flowUnknown] > 0 || c.by[flowByPath] > 0 && c.by[flowByUUID] > 0
}
