//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/tests/e2e/harness"
)

// Of 600 mixed requests each server gets its share by capacity and weight.
func TestSpread(t *testing.T) {
	// Quick servers, so that none is so busy that others have to help it out.
	c := start(t, harness.Config{TimeScale: 0.02})
	shares := func(servers ...harness.Server) {
		t.Helper()
		for i, s := range servers {
			if c.Agents[i].Spec != s {
				c.Agents[i].Spec = s
				c.Agents[i].Reload(t)
			}
		}
		harness.Wait(t, time.Minute, "the booster knows capacity and weight", func() error {
			status, err := c.Booster.Status()
			if err != nil {
				return err
			}
			for _, s := range status.Servers {
				for i, a := range c.Agents {
					if want := servers[i]; s.Name == a.Name && (s.Capacity != want.Capacity || s.Weight != want.Weight) {
						return fmt.Errorf("%+v", s)
					}
				}
			}
			return nil
		})
		// A server that stands still for a moment, as its process has to wait for a processor,
		// gets less meanwhile, and one that has just come up does so, too.
		harness.Wait(t, time.Minute, "each gets its share", func() error { return spread(t, c, servers) })
	}
	shares(harness.Server{Capacity: 8, Weight: 100}, harness.Server{Capacity: 8, Weight: 100}, harness.Server{Capacity: 8, Weight: 100})
	shares(harness.Server{Capacity: 8, Weight: 100}, harness.Server{Capacity: 8, Weight: 50}, harness.Server{Capacity: 8, Weight: 50})
	shares(harness.Server{Capacity: 12, Weight: 100}, harness.Server{Capacity: 6, Weight: 100}, harness.Server{Capacity: 6, Weight: 100})
}

// spread sends 600 requests of strangers, 6 at once, and returns an error if a server gets
// more or less than its share.
func spread(t *testing.T, c *harness.Cluster, servers []harness.Server) error {
	t.Helper()
	for _, a := range c.Agents {
		a.ResetStats(t)
	}
	const requests, atOnce = 600, 6
	numbers := make(chan int)
	errs := make(chan error, requests)
	var running sync.WaitGroup
	for range atOnce {
		running.Go(func() {
			for n := range numbers {
				errs <- stranger(c.Booster.URL, n)
			}
		})
	}
	for n := range requests {
		numbers <- n
	}
	close(numbers)
	running.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	total, all := 0, 0
	for i, a := range c.Agents {
		total += servers[i].Capacity * servers[i].Weight
		all += a.Stats(t).Requests
	}
	if all != requests {
		t.Errorf("%d requests reached the servers, of %d", all, requests)
	}
	var wrong []string
	for i, a := range c.Agents {
		want := float64(requests*servers[i].Capacity*servers[i].Weight) / float64(total)
		got := float64(a.Stats(t).Requests)
		t.Logf("%+v: %s got %.0f requests, its share is %.0f", servers, a.Name, got, want)
		if got < 0.8*want || got > 1.2*want {
			wrong = append(wrong, fmt.Sprintf("%s got %.0f requests, its share is %.0f", a.Name, got, want))
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// stranger makes one request without a session.
func stranger(url string, n int) error {
	ctx := context.Background()
	c, err := client.New(client.Config{URL: url})
	if err != nil {
		return err
	}
	defer c.Close()
	var a client.Answer
	want := 200
	switch n % 4 {
	case 0:
		a, err = c.Get(ctx, "/accounts/login/")
	case 1:
		a, err = c.Get(ctx, "/")
		want = 302
	case 2:
		a, err = c.List(ctx, "no token", "mission", 1)
	case 3:
		a, err = c.Call(ctx, "no token", "/flowmanage/api/omdata-data-id/get/mission/", map[string]any{"data_no": n})
	}
	if err == nil && a.Code != want {
		err = fmt.Errorf("HTTP %d: %.200s", a.Code, a.Body)
	}
	return err
}

// A session stays on its server over 50 requests and over the booster's reloads,
// and moves, still logged in, when that server dies.
func TestSessionStays(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{})
	sessions := c.SignIn(t, 6)
	visit := func(n int) {
		t.Helper()
		for _, s := range sessions {
			for range n {
				a, err := s.Poll(context.Background())
				if err != nil || !a.OK() || a.Server() != s.On {
					t.Fatalf("session on %s: HTTP %d, status %d from %s, %v", s.On, a.Code, a.Status, a.Server(), err)
				}
			}
		}
	}
	for _, a := range c.Agents { // fewer where one came up later than the others, and starts slowly
		if len(on(sessions, a.Name)) == 0 {
			t.Errorf("none of %d sessions is on %s", len(sessions), a.Name)
		}
	}
	visit(50)
	c.Booster.Front = "queue 100 10s\nheader_down X-Reloaded once"
	c.Booster.Reload(t)
	a, err := sessions[0].Home(context.Background())
	if err != nil || a.Header.Get("X-Reloaded") != "once" {
		t.Fatalf("the reload changed nothing: %v, %v", a.Header, err)
	}
	visit(5)

	// A restart of the booster is no reason to move either: the cookie says it all.
	c.Booster.Stop(t)
	c.Booster.Start(t)
	c.WaitUp(t, 3)
	visit(5)

	victim := c.Agents[0]
	victim.Signal(syscall.SIGSTOP) // or it has started the server again, perhaps, before they all came
	c.KillServer(t, 0)
	for _, s := range sessions {
		home, err := s.Home(context.Background())
		if err != nil || home.Code != 200 || s.On == victim.Name && home.Server() == victim.Name {
			t.Errorf("a session of %s: HTTP %d from %s, %v", s.On, home.Code, home.Server(), err)
		}
		if s.On != victim.Name && home.Server() != s.On {
			t.Errorf("a session moved from %s, which is well, to %s", s.On, home.Server())
		}
		s.On = home.Server()
	}
	visit(5)
}
