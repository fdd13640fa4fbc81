package front

import (
	"context"
	"strings"
	"time"
)

// Two processes before the same servers share one gate: the create of one takes its turn
// at that one's gate first, and then, by Config.TakeTurn, at the other's, which has it
// Join there. The first serves to remember it, and to have one of a flow at a time ask.

// TakeTurn takes a create's turn at another process's gate and returns when the create
// may be sent, or with ctx's error when ctx has ended before, or with balance's
// ErrQueueFull. flow names the create's flow in a way that Join understands. leave, unless
// it is nil because this process's gate is all there is, is called once, when the create
// has been dealt with: sent says whether a server may have seen it. leave must not block.
type TakeTurn func(ctx context.Context, flow string) (leave func(sent bool), err error)

// Turn is the turn of another process's create.
type Turn struct{ turn *fileTurn }

// Join gets in line for a create of the flow that another process has. It fails with
// balance.ErrQueueFull when most are waiting. The turn must be given back with Leave. A
// flow that is not understood may be any.
func (g *FileGate) Join(flow string, most int) (Turn, error) {
	t, err := g.join(flowNamed(flow), most)
	return Turn{t}, err
}

// Ready is closed when the create may be sent.
func (t Turn) Ready() <-chan struct{} { return t.turn.ready }

// Leave ends the turn, or the waiting for it. sent says whether a server may have seen
// the create. It may be called twice.
func (t Turn) Leave(sent bool) { t.turn.leave(sent) }

// Rest keeps creates of all flows out for the time, but for those that are in already:
// for a gate that has become the one of all and does not know what the one before it has
// let in.
func (g *FileGate) Rest(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := &fileTurn{ready: make(chan struct{}), gate: g, over: true}
	g.take(t)
	g.claims.add(t.flow, 1)
	time.AfterFunc(d, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.drop(t)
	})
}

// Prefixes of a flow's name between processes.
const (
	flowPathPrefix = "path:"
	flowUUIDPrefix = "uuid:"
)

// String is the flow as Join takes it.
func (f flowName) String() string {
	switch f.by {
	case flowByPath:
		return flowPathPrefix + f.name
	case flowByUUID:
		return flowUUIDPrefix + f.name
	default:
		return ""
	}
}

// flowNamed is the opposite of String. What is not understood may be any flow.
func flowNamed(text string) flowName {
	for by, prefix := range map[flowNaming]string{flowByPath: flowPathPrefix, flowByUUID: flowUUIDPrefix} {
		if name, ok := strings.CutPrefix(text, prefix); ok && plainName(name) {
			return flowName{by, name}
		}
	}
	return flowName{}
}
