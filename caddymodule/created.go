package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/created"
)

// What became of a create whose server died is found out by the booster that it came
// through (package created): from the server's agent, which looks into the database, and
// from all boosters, which know what they have answered. Both are asked over the cluster's
// control API. A number is reserved at the booster whose name comes first of those that
// live: so of two boosters that want the same number for two creates one gets it.

const (
	// createdForBoosters is what others than boosters are told.
	createdForBoosters = "boosters tell each other which creates they have answered"
	// settleLimit bounds the wait for another booster that asks.
	settleLimit = 5 * time.Second
)

// errMissing: a booster is not reached that may have answered creates.
var errMissing = errors.New("another booster is not reached, and what it has answered is not known")

// omflowCreated returns the creates of OMFLOW's pool, or nil without one.
func omflowCreated() *created.Book {
	if p := omflowPoolNow(); p != nil {
		return p.created
	}
	return nil
}

// seekCreate is front.Config.Seek. Requests call it, see active.
func (a *App) seekCreate(ctx context.Context, lost created.Lost) created.Fate {
	if node := runningNode(); a.configured && node != nil && node.conductor != nil {
		return node.conductor.seeker.Seek(ctx, lost)
	}
	return created.Fate{}
}

// newSeeker makes the conductor's.
func (c *conductor) newSeeker() (*created.Seeker, error) {
	return created.New(created.Config{Look: c.lookCreated, Settle: c.settleCreated, Reserve: c.reserveCreated, Logger: c.log})
}

// lookCreated asks the agent of a server that died.
func (c *conductor) lookCreated(ctx context.Context, server string, q created.Question) (a created.Answer, err error) {
	if err = control.Do(c.node.Do).Call(ctx, server, created.LookPath, q, &a, created.MaxMessage); err == nil {
		err = a.Validate()
	}
	if control.Refused(err, http.StatusConflict) {
		err = created.ErrRuns
	}
	if err != nil {
		return created.Answer{}, fmt.Errorf("ask agent %s for a create's ticket: %w", server, err)
	}
	return a, nil
}

// settleCreated asks all boosters.
func (c *conductor) settleCreated(ctx context.Context, s created.Settle, since time.Time) ([]int64, error) {
	for _, m := range c.node.Members() {
		if m.Kind == gossip.KindBooster && !m.Self && !m.Reachable() && !m.Since.Before(since) {
			return nil, errMissing
		}
	}
	book := omflowCreated()
	if book == nil {
		return nil, errNoServers
	}
	ask := []func() (created.Settled, error){func() (created.Settled, error) { return book.Settle(ctx, s) }}
	for _, name := range c.others(gossip.KindBooster) {
		ask = append(ask, func() (a created.Settled, err error) {
			err = control.Do(c.node.Do).Call(ctx, name, created.SettlePath, s, &a, created.MaxMessage)
			if err != nil {
				err = fmt.Errorf("ask booster %s what it has answered: %w", name, err)
			}
			return a, err
		})
	}
	answers, errs := make([]created.Settled, len(ask)), make([]error, len(ask))
	var wg sync.WaitGroup
	for i := range ask {
		wg.Go(func() { answers[i], errs[i] = ask[i]() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	open := s.Numbers
	for _, a := range answers {
		if a.Age < time.Since(since) {
			return nil, errYoung
		}
		open = slices.DeleteFunc(slices.Clone(open), func(no int64) bool { return !slices.Contains(a.Open, no) })
	}
	return open, nil
}

var (
	errNoServers = errors.New("this booster has no OMFLOW Servers")
	// errYoung: a booster has forgotten what it had answered.
	errYoung = errors.New("a booster was started after the create was sent")
)

// reserveCreated reserves a number at the booster that decides, and has the others note it.
// One that has given it away although the first one has not is an error: nobody knows then
// whose it is.
func (c *conductor) reserveCreated(ctx context.Context, r created.Reserve) (bool, error) {
	names := append(c.others(gossip.KindBooster), c.node.Name())
	slices.Sort(names)
	for i, name := range names {
		err := c.reserveAt(ctx, name, r)
		switch {
		case i == 0 && control.Refused(err, http.StatusConflict):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("have booster %s note a ticket's number: %w", name, err)
		}
	}
	return true, nil
}

func (c *conductor) reserveAt(ctx context.Context, name string, r created.Reserve) error {
	if name != c.node.Name() {
		return control.Do(c.node.Do).Call(ctx, name, created.ReservePath, r, nil, 0)
	}
	switch book := omflowCreated(); {
	case book == nil:
		return errNoServers
	case !book.Reserve(r):
		return &control.Refusal{Status: http.StatusConflict}
	}
	return nil
}

// serveSettle tells another booster what was answered here.
func (c *conductor) serveSettle(w http.ResponseWriter, r *http.Request) {
	var s created.Settle
	book, ok := c.createdAsked(w, r, &s)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), settleLimit)
	defer cancel()
	a, err := book.Settle(ctx, s)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	control.Answer(w, a)
}

// serveReserve notes a number for another booster.
func (c *conductor) serveReserve(w http.ResponseWriter, r *http.Request) {
	var reserve created.Reserve
	book, ok := c.createdAsked(w, r, &reserve)
	switch {
	case !ok:
	case book.Reserve(reserve):
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "the number was given away already", http.StatusConflict)
	}
}

// createdAsked reads what another booster asks, and refuses what can't be answered.
func (c *conductor) createdAsked(w http.ResponseWriter, r *http.Request, message interface{ Validate() error }) (*created.Book, bool) {
	if _, ok := c.fromBooster(w, r, createdForBoosters); !ok {
		return nil, false
	}
	err := control.Decode(r.Body, created.MaxMessage, message)
	if err == nil {
		err = message.Validate()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, false
	}
	book := omflowCreated()
	if book == nil {
		http.Error(w, errNoServers.Error(), http.StatusServiceUnavailable)
	}
	return book, book != nil
}
