package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/testbed/observe"
)

// postTurn posts a message to a node's control API and returns the HTTP status, 0 for none,
// and whether the answer says that the turn has come.
func postTurn(ctx context.Context, t *testing.T, from *gossip.Node, message string) (code int, come bool) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, turnsPath, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := from.Do(ctx, "booster-a", r)
	if err != nil {
		return 0, false
	}
	defer resp.Body.Close()
	var answer turnAnswer
	_ = json.NewDecoder(resp.Body).Decode(&answer) // of a refusal there is none
	return resp.StatusCode, answer.Come
}

// TestTurnsOfAnotherBooster: the active booster lets another's creates in by its own gate,
// and takes back the turns of one that falls silent.
func TestTurnsOfAnotherBooster(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	b.load(b.cluster(address, "", fmt.Sprintf("server %s name=s1", s1.address)))
	b.await(map[string]string{"s1": "up"})
	other := peer(t, "booster-b", gossip.KindBooster, address)
	ctx, cancel := context.WithTimeout(t.Context(), 2*observe.Patience)
	defer cancel()
	ask := func(message string) (int, bool) { t.Helper(); return postTurn(ctx, t, other, message) }

	observe.Succeeds(t, "a turn comes", func() error {
		code, come := ask(`{"id":"1","flow":"path:a"}`)
		return whether(code == http.StatusOK && come)
	})
	if code, come := ask(`{"id":"1","flow":"path:a","again":true}`); code != http.StatusOK || !come {
		t.Errorf("asked for again: HTTP %d, %t", code, come)
	}
	if code, come := ask(`{"id":"2","flow":"path:b"}`); code != http.StatusOK || !come {
		t.Errorf("of another flow: HTTP %d, %t", code, come)
	}
	if code, come := ask(`{"id":"3","flow":"path:a"}`); code != http.StatusOK || come {
		t.Errorf("the second of a flow: HTTP %d, %t", code, come)
	}
	gate := omflowFiles()
	own, err := gate.Join("path:b", 10)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-own.Ready():
		t.Error("this booster's create is let in beside the other's")
	default:
	}
	if code, _ := ask(`{"id":"2","end":true}`); code != http.StatusNoContent {
		t.Errorf("end: HTTP %d", code)
	}
	select {
	case <-own.Ready():
		own.Leave(false)
	case <-ctx.Done():
		t.Error("this booster's create is kept out by a turn that has ended")
	}
	ended := time.Now()
	ask(`{"id":"1","end":true,"sent":true}`)
	if code, come := ask(`{"id":"3","flow":"path:a","again":true}`); code != http.StatusOK || come && time.Since(ended) < time.Second {
		t.Errorf("the second came %v after the first", time.Since(ended))
	}
	observe.Succeeds(t, "the second comes", func() error {
		_, come := ask(`{"id":"3","flow":"path:a","again":true}`)
		return whether(come)
	})
	if code, _ := ask(`{"id":"1","flow":"path:a","again":true}`); code != http.StatusGone {
		t.Errorf("a turn that has ended, asked for again: HTTP %d", code)
	}
	for what, message := range map[string]string{
		"no id": `{"flow":"path:a"}`, "a long id": `{"id":"` + strings.Repeat("x", 65) + `"}`, "not even JSON": `{`, "too much": strings.Repeat(" ", maxTurn+1),
	} {
		if code, _ := ask(message); code != http.StatusBadRequest {
			t.Errorf("%s: HTTP %d", what, code)
		}
	}

	// The third is silent from here on.
	fourth, err := gate.Join("path:a", 10)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-fourth.Ready():
		fourth.Leave(false)
	case <-time.After(turnLease + observe.Patience):
		t.Error("a booster that has fallen silent keeps its turn")
	}

	agent := peer(t, "s2", gossip.KindAgent, address)
	observe.Succeeds(t, "an agent is refused", func() error {
		code, _ := postTurn(ctx, t, agent, `{"id":"1"}`)
		return whether(code == http.StatusForbidden)
	})
}

// activeBooster answers as the active booster does.
type activeBooster struct {
	mu    sync.Mutex
	asked []turnAsk
	say   func(ask turnAsk) (code int, come bool)
}

func (a *activeBooster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ask turnAsk
	if r.URL.Path != turnsPath || json.NewDecoder(r.Body).Decode(&ask) != nil {
		http.NotFound(w, r)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, ask)
	code, come := a.say(ask)
	w.WriteHeader(code)
	if code == http.StatusOK {
		_ = json.NewEncoder(w).Encode(turnAnswer{come}) // whoever asked may have gone
	}
}

// answers has it answer in another way from now on.
func (a *activeBooster) answers(say func(ask turnAsk) (code int, come bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.say = say
}

// all is what it was asked so far.
func (a *activeBooster) all() []turnAsk {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func (a *activeBooster) heard(what func(turnAsk) bool) func() error {
	return func() error {
		if asked := a.all(); !slices.ContainsFunc(asked, what) {
			return fmt.Errorf("heard %+v", asked)
		}
		return nil
	}
}

// TestTurnAtTheActiveBooster: a booster that is not active asks until the turn comes,
// keeps it, and says when it ends; without an active booster it goes alone, after a while.
func TestTurnAtTheActiveBooster(t *testing.T) {
	address := freeAddress(t)
	first := peer(t, "booster-a", gossip.KindBooster, address)
	node := peer(t, "booster-b", gossip.KindBooster, first.Addr())
	isActive := false
	c := &conductor{node: node, log: slog.New(slog.DiscardHandler), turns: newTurns(), active: func() (uint64, bool) { return 1, isActive }}
	observe.Succeeds(t, "they are members", func() error { return whether(len(c.others(gossip.KindBooster)) == 1) })

	other := new(activeBooster)
	n := 0
	other.answers(func(turnAsk) (int, bool) {
		n++
		return http.StatusOK, n > 2
	})
	first.SetHandler(other)
	ctx, cancel := context.WithTimeout(t.Context(), observe.Patience)
	defer cancel()
	leave, err := c.takeTurn(ctx, "path:a")
	if err != nil || leave == nil {
		t.Fatalf("no turn: %v", err)
	}
	asked := other.all()
	if len(asked) != 3 || asked[0].Again || !asked[1].Again || asked[0].Flow != "path:a" || asked[0].ID != asked[2].ID {
		t.Fatalf("asked %+v", asked)
	}
	observe.Succeeds(t, "it says that it still has the turn", func() error {
		now := other.all()
		return whether(len(now) > len(asked) && now[len(asked)].Again && !now[len(asked)].End)
	})
	leave(true)
	observe.Succeeds(t, "it tells the end", other.heard(func(a turnAsk) bool { return a.End && a.Sent && a.ID == asked[0].ID }))

	// One of a version that knows nothing of turns is no active booster, and not asked
	// without a pause.
	before := len(other.all())
	other.answers(func(turnAsk) (int, bool) { return http.StatusNotFound, false })
	if leave, err := c.takeTurn(ctx, "path:a"); leave != nil || err != nil {
		t.Errorf("at one that knows nothing of turns: %t, %v", leave != nil, err)
	}
	if n := len(other.all()) - before; n > int(turnRest/turnAgain)+2 {
		t.Errorf("it was asked %d times in %v", n, turnRest)
	}

	other.answers(func(turnAsk) (int, bool) { return http.StatusTooManyRequests, false })
	if _, err := c.takeTurn(ctx, "path:a"); !errors.Is(err, balance.ErrQueueFull) {
		t.Errorf("too many: %v", err)
	}
	// One that does not wait any longer says so.
	other.answers(func(turnAsk) (int, bool) { return http.StatusOK, false })
	short, end := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer end()
	if _, err := c.takeTurn(short, "path:gone"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a turn that does not come: %v", err)
	}
	observe.Succeeds(t, "it tells that it waits no more", other.heard(func(a turnAsk) bool { return a.End && !a.Sent }))

	// Nobody is active.
	other.answers(func(turnAsk) (int, bool) { return http.StatusConflict, false })
	begun := time.Now()
	if leave, err := c.takeTurn(t.Context(), "path:a"); leave != nil || err != nil || time.Since(begun) < turnRest {
		t.Errorf("without an active booster after %v: %t, %v", time.Since(begun), leave != nil, err)
	}
	// What follows does not wait as long again.
	begun = time.Now()
	if leave, err := c.takeTurn(t.Context(), "path:b"); leave != nil || err != nil || time.Since(begun) >= turnRest {
		t.Errorf("the next one after %v: %t, %v", time.Since(begun), leave != nil, err)
	}
	// It is active itself.
	isActive = true
	had := len(other.all())
	if leave, err := c.takeTurn(t.Context(), "path:a"); leave != nil || err != nil || len(other.all()) != had {
		t.Errorf("at the active booster: %t, %v, asked %+v", leave != nil, err, other.all()[had:])
	}
}
