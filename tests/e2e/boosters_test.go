//go:build linux

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/tests/e2e/harness"
)

// Two boosters serve side by side: a session is on the same server through either,
// what one is told of a server the other knows, and one goes on without the other.
func TestTwoBoosters(t *testing.T) {
	c := start(t, harness.Config{Boosters: 2})
	first, second := c.Boosters[0], c.Boosters[1]
	sessions := c.SignIn(t, 6)
	through := make([]*client.Client, len(sessions))
	for i, s := range sessions {
		other, err := client.New(client.Config{URL: second.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(other.Close)
		for _, name := range []string{"sessionid", "csrftoken", "omflow_server"} {
			if s.Cookie(name) == "" {
				t.Fatalf("the browser has no cookie %s", name)
			}
			other.SetCookie(name, s.Cookie(name))
		}
		through[i] = other
		for range 5 {
			if a, err := other.Poll(context.Background()); err != nil || !a.OK() || a.Server() != s.On {
				t.Fatalf("a session on %s, through the other booster: HTTP %d, status %d from %s, %v", s.On, a.Code, a.Status, a.Server(), err)
			}
		}
	}

	if out := first.Command(t, "drain", "s2", "--wait"); out.Code != 0 {
		t.Fatal(out.Stderr)
	}
	known := func(n *harness.Node, want string) {
		t.Helper()
		harness.Wait(t, time.Minute, n.Name+" knows what the other was told", func() error {
			status, err := n.Status()
			if err != nil {
				return err
			}
			if state := status.State("s2"); state != want {
				return fmt.Errorf("s2 is %s", state)
			}
			return nil
		})
	}
	known(second, "draining alive")
	for i, s := range sessions {
		a, err := through[i].Home(context.Background())
		if err != nil || a.Code != 200 || a.Server() == "s2" {
			t.Errorf("a session of %s, while s2 drains: HTTP %d from %s, %v", s.On, a.Code, a.Server(), err)
		}
	}
	if out := second.Command(t, "resume", "s2", "--wait"); out.Code != 0 {
		t.Fatal(out.Stderr)
	}
	known(first, "up alive")

	// The token of a program goes on, too, on all servers: the logins were copied.
	ctx := context.Background()
	program, err := client.New(client.Config{URL: first.URL, User: "admin", Password: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(program.Close)
	token, err := program.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	after, err := client.New(client.Config{URL: second.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(after.Close)
	servers := map[string]bool{}
	call := func() {
		t.Helper()
		a, err := after.Create(ctx, token, "mission", "failover")
		if err != nil || !a.OK() {
			t.Fatalf("a call with the other booster's token: HTTP %d, status %d, %v", a.Code, a.Status, err)
		}
		servers[a.Server()] = true
	}
	harness.Wait(t, time.Minute, "the second spreads the calls", func() error {
		call()
		return atLeast(len(servers), 3)
	})

	first.Kill()
	clear(servers)
	for range 30 {
		call()
	}
	if len(servers) < 2 { // s2 was resumed a moment ago, and starts slowly
		t.Errorf("without the first booster the calls went to %v only", servers)
	}
	harness.Wait(t, time.Minute, "the second takes over", func() error {
		status, err := second.Status()
		if err == nil && (status.Pair.State != "active" || status.Pair.Term%2 != 0) {
			err = fmt.Errorf("pair %+v", status.Pair)
		}
		return err
	})
	for i := range through {
		if a, err := through[i].Home(context.Background()); err != nil || a.Code != 200 {
			t.Errorf("without the first booster: HTTP %d, %v", a.Code, err)
		}
	}
}
