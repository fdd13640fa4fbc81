package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/testbed/observe"
)

// otherBook answers for another booster's creates, or with a status alone.
type otherBook struct {
	*created.Book
	status int
}

func (o *otherBook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var s created.Settle
	var reserve created.Reserve
	switch {
	case o.status != 0:
		w.WriteHeader(o.status)
	case r.URL.Path == created.SettlePath && control.Decode(r.Body, created.MaxMessage, &s) == nil:
		a, err := o.Settle(r.Context(), s)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		control.Answer(w, a)
	case r.URL.Path == created.ReservePath && control.Decode(r.Body, created.MaxMessage, &reserve) == nil:
		if !o.Reserve(reserve) {
			w.WriteHeader(http.StatusConflict)
		}
	default:
		http.NotFound(w, r)
	}
}

// TestBoostersShareCreates: what one booster has answered counts at the other, and of two
// that want a number one gets it.
func TestBoostersShareCreates(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	b.load(b.cluster(address, "", fmt.Sprintf("server %s name=s1", s1.address)))
	b.await(map[string]string{"s1": "up"})
	c, ours := runningNode().conductor, omflowCreated()
	ctx, cancel := context.WithTimeout(t.Context(), 2*observe.Patience)
	defer cancel()
	ask := created.Settle{For: "Q", Flow: plainFlow, Numbers: []int64{1, 2, 3}}
	sent := time.Now()
	ours.Begin(plainFlow).End(1)
	if open, err := c.settleCreated(ctx, ask, sent); err != nil || !slices.Equal(open, []int64{2, 3}) {
		t.Errorf("alone: %v, %v", open, err)
	}
	if _, err := c.settleCreated(ctx, ask, sent.Add(-time.Hour)); err != errYoung {
		t.Errorf("of a create from before this booster's start: %v", err)
	}

	theirs := &otherBook{Book: created.NewBook()}
	theirs.Begin(plainFlow).End(2)
	other := peer(t, "booster-b", gossip.KindBooster, address)
	other.SetHandler(theirs)
	sent = time.Now()
	observe.Succeeds(t, "what the other one has answered counts", func() error {
		open, err := c.settleCreated(ctx, ask, sent)
		if err == nil && !slices.Equal(open, []int64{3}) {
			err = fmt.Errorf("not given away are %v", open)
		}
		return err
	})
	reserve := created.Reserve{For: "Q", Flow: plainFlow, No: 3}
	if ok, err := c.reserveCreated(ctx, reserve); !ok || err != nil {
		t.Errorf("a number is not to be had: %v, %v", ok, err)
	}
	if ok, err := c.reserveCreated(ctx, reserve); !ok || err != nil {
		t.Errorf("it is not to be had once more for the same: %v, %v", ok, err)
	}
	reserve.For = "R"
	if ok, err := c.reserveCreated(ctx, reserve); ok || err != nil {
		t.Errorf("a number is given away twice: %v, %v", ok, err)
	}
	if theirs.Reserve(reserve) {
		t.Error("the other booster was not told of a number")
	}

	// Only the one whose name comes second has given it away: nobody knows whose it is.
	theirs.Begin(plainFlow).End(6)
	if ok, err := c.reserveCreated(ctx, created.Reserve{For: "Q", Flow: plainFlow, No: 6}); ok || err == nil {
		t.Errorf("a number that the other booster has given away: %v, %v", ok, err)
	}

	ask.For = "R"

	// The other one asks, too.
	var a created.Settled
	call := func(from *gossip.Node, path string, message, answer any) error {
		return control.Do(from.Do).Call(ctx, "booster-a", path, message, answer, created.MaxMessage)
	}
	observe.Succeeds(t, "the other one is told what is not given away", func() error {
		// At first it may not know of this booster yet.
		err := call(other, created.SettlePath, ask, &a)
		if err == nil && !slices.Equal(a.Open, []int64{2}) {
			err = fmt.Errorf("%v", a.Open)
		}
		return err
	})
	if err := call(other, created.ReservePath, created.Reserve{For: "Q", Flow: plainFlow, No: 4}, nil); err != nil {
		t.Errorf("the other one reserves a number: %v", err)
	}
	if err := call(other, created.ReservePath, created.Reserve{For: "R", Flow: plainFlow, No: 3}, nil); !control.Refused(err, http.StatusConflict) {
		t.Errorf("and one that was given away: %v", err)
	}
	if err := call(other, created.SettlePath, created.Settle{For: "Q", Flow: "x"}, nil); !control.Refused(err, http.StatusBadRequest) {
		t.Errorf("and asks nonsense: %v", err)
	}
	agent := peer(t, "s2", gossip.KindAgent, address)
	observe.Succeeds(t, "an agent is refused", func() error {
		for _, path := range []string{created.SettlePath, created.ReservePath} {
			if err := call(agent, path, ask, nil); !control.Refused(err, http.StatusForbidden) {
				return fmt.Errorf("%s: %v", path, err)
			}
		}
		return nil
	})

	// What it can't be asked, nobody knows.
	theirs.status = http.StatusNotFound
	if open, err := c.settleCreated(ctx, ask, sent); err == nil {
		t.Errorf("without the other booster's word: %v", open)
	}
	if ok, err := c.reserveCreated(ctx, created.Reserve{For: "Q", Flow: plainFlow, No: 5}); ok || err == nil {
		t.Errorf("a number that the other booster does not note: %v, %v", ok, err)
	}
	if fate := seekNowhere(ctx); fate != (created.Fate{}) {
		t.Errorf("of a server without an agent: %+v", fate)
	}
}

// seekNowhere looks for a create of a server that has no agent.
func seekNowhere(ctx context.Context) created.Fate {
	return runningNode().conductor.seeker.Seek(ctx, created.Lost{
		Server: "s1", Flow: plainFlow, User: "u", Columns: map[string]string{"formitm_1": strings.Repeat("0", 64)}, Sent: time.Now(),
	})
}

// TestMissingBooster: one that died after a create was sent may have answered others.
func TestMissingBooster(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	b.load(b.cluster(address, "", fmt.Sprintf("server %s name=s1", s1.address)))
	b.await(map[string]string{"s1": "up"})
	c, sent := runningNode().conductor, time.Now()
	other := peer(t, "booster-b", gossip.KindBooster, address)
	observe.Succeeds(t, "the other booster is there", func() error {
		if len(c.others(gossip.KindBooster)) != 1 {
			return fmt.Errorf("members: %+v", c.node.Members())
		}
		return nil
	})
	other.Close() // it says no farewell
	observe.Succeeds(t, "its end is seen", func() error {
		if len(c.others(gossip.KindBooster)) != 0 {
			return fmt.Errorf("members: %+v", c.node.Members())
		}
		return nil
	})
	ask := created.Settle{For: "Q", Flow: plainFlow, Numbers: []int64{1}}
	if open, err := c.settleCreated(t.Context(), ask, sent); err != errMissing {
		t.Errorf("%v, %v", open, err)
	}
	if open, err := c.settleCreated(t.Context(), ask, time.Now()); err != nil || len(open) != 1 {
		t.Errorf("of a create that was sent after its end: %v, %v", open, err)
	}
}
