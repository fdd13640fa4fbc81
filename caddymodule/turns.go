package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/front"
)

// Creates with files of one flow never share a second, though two boosters serve: one of
// them that is not active takes each create's turn at the active one's gate, over the
// cluster's control API, after its turn at its own. It asks for as long as the create may
// wait, and says every turnKeep that it still has the turn; one that falls silent for
// turnLease loses it.
//
// A booster that becomes active lets none in for turnRest, since it does not know which
// ones the one before it has let in, and one that reaches no active booster waits as long
// before it goes by its own gate alone. Only when it is cut off for longer than that, and
// both still get creates of one flow, may two of them share a second; so may one that the
// server takes longer than two seconds for, when the booster that sent it dies.

const (
	turnsPath = "/turns/v1"
	// turnWait is how long a booster that is asked waits for the turn before it says that
	// it has not come, and turnCall bounds the whole call.
	turnWait = time.Second
	turnCall = turnWait + 500*time.Millisecond
	turnKeep = time.Second
	// turnLease is how long a booster keeps the other's turn, or its place in line,
	// without hearing of it.
	turnLease = 4 * time.Second
	// turnRest is long enough for what has begun just before: a create of two seconds, and
	// one more until the next of its flow. turnAgain is when the active booster is looked
	// for once more meanwhile.
	turnRest  = 3 * time.Second
	turnAgain = 250 * time.Millisecond
	// maxTurn bounds a message, in bytes, and maxTurns how many turns the other may have
	// or wait for.
	maxTurn  = 4096
	maxTurns = 10_000
)

// turnAsk is what a booster wants of a turn at the other's gate.
type turnAsk struct {
	// ID is the turn's, chosen by who asks.
	ID string `json:"id"`
	// Flow is the create's, as front.FileGate.Join takes it.
	Flow string `json:"flow,omitempty"`
	// Again is true when it was asked for before: it is not made anew.
	Again bool `json:"again,omitempty"`
	// End is true when the create has been dealt with, Sent when a server may have seen
	// it.
	End  bool `json:"end,omitempty"`
	Sent bool `json:"sent,omitempty"`
}

func (a turnAsk) validate() error {
	if a.ID == "" || len(a.ID) > 64 {
		return fmt.Errorf("a turn's id of %d characters", len(a.ID))
	}
	return nil
}

// turnAnswer says whether the turn has come.
type turnAnswer struct {
	Come bool `json:"come"`
}

// turns are the other boosters' at this one's gate, and whether this one's can be had at
// theirs.
type turns struct {
	mu   sync.Mutex
	held map[string]*heldTurn // by booster and ID
	// alone is when this booster's own gate was last all that was left for a create.
	alone time.Time
}

// heldTurn is one of them.
type heldTurn struct {
	front.Turn
	lease *time.Timer // ends it
}

func newTurns() *turns { return &turns{held: make(map[string]*heldTurn)} }

var errNoTurn = errors.New("there is no such turn any more")

// join returns the turn of that name, and makes it if it is asked for the first time.
func (t *turns) join(gate *front.FileGate, key string, ask turnAsk) (*heldTurn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch h := t.held[key]; {
	case h != nil:
		h.lease.Reset(turnLease)
		return h, nil
	case ask.Again:
		return nil, errNoTurn
	case len(t.held) >= maxTurns:
		return nil, balance.ErrQueueFull
	}
	turn, err := gate.Join(ask.Flow, maxTurns)
	if err != nil {
		return nil, err
	}
	h := &heldTurn{Turn: turn}
	h.lease = time.AfterFunc(turnLease, func() { t.end(key, true) })
	t.held[key] = h
	return h, nil
}

// end ends a turn. One that has not come yet is only not waited for any more.
func (t *turns) end(key string, sent bool) {
	t.mu.Lock()
	h := t.held[key]
	delete(t.held, key)
	t.mu.Unlock()
	if h == nil {
		return
	}
	h.lease.Stop()
	select {
	case <-h.Ready():
		h.Leave(sent)
	default:
		h.Leave(false)
	}
}

// close ends all of them.
func (t *turns) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, h := range t.held {
		h.lease.Stop()
		h.Leave(false)
		delete(t.held, key)
	}
}

// reached notes that an active booster has answered.
func (t *turns) reached() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alone = time.Time{}
}

// goAlone reports whether a create that has reached no active booster since then may go by
// this booster's gate alone: when it has waited for turnRest, or another one has, less than
// turnRest ago or with others like it in between.
func (t *turns) goAlone(lost time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(lost) < turnRest && now.Sub(t.alone) >= turnRest {
		return false
	}
	t.alone = now
	return true
}

// omflowFiles returns the gate of OMFLOW's pool, or nil without one.
func omflowFiles() *front.FileGate {
	if p := omflowPoolNow(); p != nil {
		return p.files
	}
	return nil
}

// restFiles keeps creates with files out for a moment, at a booster that has become the
// active one.
func restFiles() {
	if gate := omflowFiles(); gate != nil {
		gate.Rest(turnRest)
	}
}

// serveTurn has another booster's create take its turn here.
func (c *conductor) serveTurn(w http.ResponseWriter, r *http.Request) {
	name, ok := c.fromBooster(w, r, "boosters take turns")
	if !ok {
		return
	}
	var ask turnAsk
	err := control.Decode(r.Body, maxTurn, &ask)
	if err == nil {
		err = ask.validate()
	}
	if err != nil {
		http.Error(w, "this is no turn: "+err.Error(), http.StatusBadRequest)
		return
	}
	key := name + " " + ask.ID
	if ask.End {
		c.turns.end(key, ask.Sent)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	gate := omflowFiles()
	if _, active := c.active(); gate == nil || !active {
		http.Error(w, "this booster is not the active one, or has no servers", http.StatusConflict)
		return
	}
	turn, err := c.turns.join(gate, key, ask)
	switch {
	case errors.Is(err, errNoTurn):
		http.Error(w, err.Error(), http.StatusGone) // 404 is a booster that knows nothing of turns
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusTooManyRequests)
		return
	}
	wait := time.NewTimer(turnWait)
	defer wait.Stop()
	select {
	case <-turn.Ready():
		control.Answer(w, turnAnswer{Come: true})
	case <-wait.C:
		control.Answer(w, turnAnswer{})
	case <-r.Context().Done():
	}
}

// takeTurn is front.Config.TakeTurn. Requests call it, see active.
func (a *App) takeTurn(ctx context.Context, flow string) (func(sent bool), error) {
	if node := runningNode(); a.configured && node != nil && node.conductor != nil {
		return node.conductor.takeTurn(ctx, flow)
	}
	return nil, nil
}

func (c *conductor) takeTurn(ctx context.Context, flow string) (func(sent bool), error) {
	if _, active := c.active(); active {
		return nil, nil // its own gate is the one
	}
	var lost time.Time // since when no active booster is reached
	ask := turnAsk{ID: rand.Text(), Flow: flow}
	for {
		began := time.Now()
		booster, err := "", errNoOther
		if others := c.others(gossip.KindBooster); len(others) > 0 {
			booster = others[0]
			var come bool
			if come, err = c.askTurn(ctx, booster, ask); come {
				c.turns.reached()
				return c.keepTurn(booster, ask), nil
			}
		}
		ask.Again = err == nil
		switch {
		case ctx.Err() != nil:
			if booster != "" {
				go c.endTurn(booster, ask.ID, false) // it may have come without our knowing
			}
			return nil, ctx.Err()
		case control.Refused(err, http.StatusTooManyRequests):
			c.turns.reached()
			return nil, balance.ErrQueueFull
		case err == nil || control.Refused(err, http.StatusGone):
			c.turns.reached()
			lost = time.Time{}
			continue
		}
		if lost.IsZero() {
			lost = began
		}
		if c.turns.goAlone(lost) {
			if _, active := c.active(); !active { // else it has become so, and its gate is the one
				c.log.Warn("no active booster is reached: a ticket with files goes by this booster's own turns", "error", err)
			}
			return nil, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(turnAgain):
		}
	}
}

// errNoOther: this booster is not the active one and reaches no other.
var errNoOther = errors.New("no other booster is reached")

// askTurn asks once.
func (c *conductor) askTurn(ctx context.Context, booster string, ask turnAsk) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, turnCall)
	defer cancel()
	var answer turnAnswer
	if err := control.Do(c.node.Do).Call(ctx, booster, turnsPath, ask, &answer, maxTurn); err != nil {
		return false, fmt.Errorf("ask booster %s for a turn: %w", booster, err)
	}
	return answer.Come, nil
}

// keepTurn says again and again that the turn is still had, until the function that it
// returns is called.
func (c *conductor) keepTurn(booster string, ask turnAsk) func(sent bool) {
	ask.Again = true
	ctx, cancel := context.WithCancel(context.Background())
	go c.each(ctx, turnKeep, "the active booster does not hear that a turn is still had", func(ctx context.Context) error {
		_, err := c.askTurn(ctx, booster, ask)
		return err
	})
	return func(sent bool) {
		cancel()
		go c.endTurn(booster, ask.ID, sent)
	}
}

// endTurn tells that the create has been dealt with. If that is not heard, the lease runs
// out.
func (c *conductor) endTurn(booster, id string, sent bool) {
	ctx, cancel := context.WithTimeout(context.Background(), turnCall)
	defer cancel()
	err := control.Do(c.node.Do).Call(ctx, booster, turnsPath, turnAsk{ID: id, End: true, Sent: sent}, nil, 0)
	if err != nil && !errors.Is(err, context.Canceled) {
		c.log.Debug("the end of a turn was not told", "booster", booster, "error", err)
	}
}
