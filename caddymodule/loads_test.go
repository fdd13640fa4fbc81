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
	shared := func() error {
		mu.Lock()
		got := told[omflowPool]["s1"]
		mu.Unlock()
		status, err := b.status()
		if err != nil {
			return err
		}
		s, at := status.Servers[0], s1.slow.Load()
		if at != 1 || got != (balance.Load{InFlight: 1, Demand: 4}) || s.InFlight != 1 || s.InFlightElsewhere != 3 || s.Capacity != 4 {
			return fmt.Errorf("%d requests are at the server, the other one was told %+v, and the status has %+v", at, got, s)
		}
		return nil
	}
	for try := 1; ; try++ {
		s1.slow.Store(0)
		stop, silence := make(chan struct{}), make(chan time.Duration, 1)
		go func() { silence <- longestSilence(stop, func() bool { return tell(busy) == http.StatusNoContent }) }()
		var answers []<-chan error
		for range 4 {
			answers = append(answers, b.background("/slow"))
		}
		var err error
		observe.Eventually(t, "the places are shared, or all are taken here", func() bool {
			err = shared()
			return err == nil || s1.slow.Load() == 4
		})
		close(stop)
		silent := <-silence
		observe.Succeeds(t, "all places are ours", func() error { return whether(s1.slow.Load() == 4) })
		for range 4 {
			s1.release <- struct{}{}
		}
		for _, a := range answers {
			waitErr(t, "/slow", a)
		}
		if err == nil {
			break
		}
		// What the booster was told holds for a second: on a machine that stands still for that
		// long it takes all places.
		if silent < time.Second/2 || try == 5 {
			t.Fatal(err)
		}
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

// longestSilence tells at the usual times until stop is closed, and returns the longest time
// from when one was told to when the next one had been.
func longestSilence(stop <-chan struct{}, tell func() bool) (longest time.Duration) {
	last := time.Now()
	for {
		select {
		case <-stop:
			return max(longest, time.Since(last))
		case <-time.After(tellEvery):
		}
		if begun := time.Now(); tell() {
			longest = max(longest, time.Since(last))
			last = begun
		}
	}
}
