package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestTwoBoostersShareCapacity: a booster tells the other one what it has for a server,
// leaves it its part, and takes all when it hears nothing more.
func TestTwoBoostersShareCapacity(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	t.Cleanup(func() { close(s1.release) })
	address := freeAddress(t)
	b.load(b.cluster(address, "", fmt.Sprintf("server %s name=s1 capacity=4", s1.address)))
	b.await(map[string]string{"s1": "up"})

	var mu sync.Mutex
	var told loads
	other := peer(t, "booster-b", gossip.KindBooster, address)
	other.SetHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != loadsPath {
			http.NotFound(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		told = nil
		if json.NewDecoder(r.Body).Decode(&told) != nil {
			http.Error(w, "no loads", http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*observe.Patience)
	defer cancel()
	tell := func(what string) int {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, loadsPath, strings.NewReader(what))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := other.Do(ctx, "booster-a", r)
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	const busy = `{"omflow":{"s1":{"in_flight":3,"demand":64}},"none elsewhere":{"x":{"in_flight":1,"demand":1}}}`
	observe.Succeeds(t, "they are members", func() error { return whether(tell(busy) == http.StatusNoContent) })
	for what, body := range map[string]string{
		"negative":      `{"omflow":{"s1":{"in_flight":-1,"demand":1}}}`,
		"no sum":        `{"omflow":{"s1":{"in_flight":3,"demand":2}}}`,
		"too much":      `{"omflow":{"s1":{"in_flight":3,"demand":1e12}}}`,
		"not even JSON": `{`,
	} {
		if code := tell(body); code != http.StatusBadRequest {
			t.Errorf("%s: HTTP %d", what, code)
		}
	}

	// Three of the four places are taken there; one is free for the first request.
	stop := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(tellEvery):
				tell(busy)
			}
		}
	})
	var answers []<-chan error
	for range 4 {
		answers = append(answers, b.background("/slow"))
	}
	observe.Succeeds(t, "the other one is told", func() error {
		mu.Lock()
		defer mu.Unlock()
		if got := told[omflowPool]["s1"]; got != (balance.Load{InFlight: 1, Demand: 4}) {
			return fmt.Errorf("it was told %+v", got)
		}
		return nil
	})
	if n := s1.slow.Load(); n != 1 {
		t.Errorf("%d requests are at the server", n)
	}
	status, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	if s := status.Servers[0]; s.InFlight != 1 || s.InFlightElsewhere != 3 || s.Capacity != 4 {
		t.Errorf("the status has %+v", s)
	}

	close(stop)
	telling.Wait()
	observe.Succeeds(t, "all places are ours", func() error { return whether(s1.slow.Load() == 4) })
	for range 4 {
		s1.release <- struct{}{}
	}
	for _, a := range answers {
		waitErr(t, "/slow", a)
	}
	observe.Succeeds(t, "the other one is told that nothing is left", func() error {
		mu.Lock()
		defer mu.Unlock()
		return whether(told != nil && len(told) == 0)
	})

	// An agent has no say.
	agent := peer(t, "s2", gossip.KindAgent, address)
	observe.Succeeds(t, "an agent is refused", func() error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, loadsPath, bytes.NewReader([]byte(busy)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := agent.Do(ctx, "booster-a", r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return whether(resp.StatusCode == http.StatusForbidden)
	})
}
