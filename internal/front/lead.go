package front

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
)

// changed tells of a control change that the lead has answered as done. body is the
// whole answer, or nil if that is not known here. One that is not in OMFLOW's shape
// counts as done: a refresh too many does no harm.
func (x *passage) changed(h *held, body []byte) {
	if !x.controls || h.answer.Status != http.StatusOK {
		return
	}
	if status, _, ok := omflow.BodyStatus(body); ok && status != http.StatusOK {
		return
	}
	x.f.cfg.Controlled(h.grant.Server.Name())
}

// mayHaveChanged tells of a control change of which nobody knows whether it was done.
func (x *passage) mayHaveChanged(server *balance.Server) {
	if x.controls {
		x.f.cfg.Controlled(server.Name())
	}
}

// abandoned returns what is to be done when the server has ended its work on a request
// that nobody waits for any more. It may be called when x serves another request.
func (x *passage) abandoned(grant balance.Grant) func() {
	b, turn, create := x.f.cfg.Fleet.Balancer(), x.turn, x.create
	book, note := x.f.cfg.Owners, x.owned.number
	controlled := x.f.cfg.Controlled
	if !x.controls {
		controlled = nil
	}
	return func() {
		if controlled != nil {
			controlled(grant.Server.Name()) // it may have been done just now
		}
		b.Release(time.Now(), grant, balance.Outcome{})
		if create != nil {
			create.End(0) // it may have opened a ticket, of which nobody was told
		}
		if note != 0 {
			book.Ended(time.Now(), note)
		}
		if turn != nil {
			turn.leave(true)
		}
	}
}

// needsTurn reports whether the request is a create with files of a flow, whose files
// OMFLOW could mix up with those of another.
func (x *passage) needsTurn() bool {
	return x.f.cfg.Table.Repairs().MultipartGate && x.ask.Work && x.trace.Lane == omflow.File && multipartBody(x.view.ContentType)
}

// takeTurn waits until no other create with files of the flow is near. It reports
// false when the request was answered, or its client has gone.
func (x *passage) takeTurn() bool {
	gate, b := x.f.cfg.Files, x.f.cfg.Fleet.Balancer()
	turn, err := gate.join(flowOf(x.f.cfg.Table, &x.view, x.body), b.QueueLength())
	if err == nil {
		err = x.awaitTurn(turn)
	}
	if err != nil {
		x.refuseWaiting(err)
		return false
	}
	x.turn = turn
	return true
}

// awaitTurn waits for the turn at this process's gate, and then at the other's.
func (x *passage) awaitTurn(turn *fileTurn) error {
	take := x.f.cfg.TakeTurn
	select {
	case <-turn.ready:
		if take == nil {
			return nil
		}
	default:
	}
	asked := time.Now()
	limit := x.limit()
	defer limit.Stop()
	var err error
	select {
	case <-turn.ready:
		if take != nil {
			err = x.turnElsewhere(turn, take)
		}
	case <-x.ctx.Done():
		err = errGone
	case <-limit.C:
		err = errWaited
	}
	x.asked = time.Now()
	x.trace.Queue += x.asked.Sub(asked)
	if err != nil {
		turn.leave(false)
	}
	return err
}

// turnElsewhere waits for the turn at another process's gate.
func (x *passage) turnElsewhere(turn *fileTurn, take TakeTurn) error {
	ctx, cancel := context.WithDeadline(x.ctx, x.deadline)
	defer cancel()
	var err error
	turn.elsewhere, err = take(ctx, turn.flow.String())
	switch {
	case err == nil || errors.Is(err, balance.ErrQueueFull):
		return err
	case x.ctx.Err() != nil:
		return errGone
	default:
		return errWaited
	}
}

// endTurn lets the next create with files of the flow go ahead. It may be called twice,
// and without a turn.
func (x *passage) endTurn() {
	if x.turn != nil {
		x.turn.leave(x.sent)
		x.turn = nil
	}
}
