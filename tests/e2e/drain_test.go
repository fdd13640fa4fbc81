//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/instrument"
	"github.com/omflow/booster/tests/e2e/harness"
)

// slowPage is a page that a test holds.
const slowPage = "/my-mission/api/my-mission/list/"

// Each server in turn is drained and brought back under load: no request fails, no
// session is logged out, and `drain --wait` returns when the last request is done.
func TestRollingDrain(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{})
	sessions := c.SignIn(t, 60)
	held := c.SignIn(t, 9)
	load := harness.StartLoad(t, sessions, harness.LoadConfig{Rate: 100, CreateEvery: 5, Titles: "drain"})
	for _, a := range c.Agents {
		// One that came up later than the others starts slowly, and has few.
		harness.Wait(t, time.Minute, "a session is on "+a.Name, func() error {
			if len(on(held, a.Name)) == 0 {
				held = append(held, c.SignIn(t, 1)...)
			}
			return atLeast(len(on(held, a.Name)), 1)
		})
		drain(t, c, a, on(held, a.Name)[0])
		for _, s := range held {
			home, err := s.Home(context.Background())
			if err != nil || home.Code != 200 || home.Server() == a.Name {
				t.Errorf("while %s drains: HTTP %d from %s, %v", a.Name, home.Code, home.Server(), err)
			}
			s.On = home.Server()
		}
		quiet := a.Stats(t).Requests
		harness.Hold(t, 500*time.Millisecond, a.Name+" is drained", func() error {
			if n := a.Stats(t).Requests; n != quiet {
				return fmt.Errorf("it got %d requests more", n-quiet)
			}
			return nil
		})
		if out := c.Booster.Command(t, "resume", a.Name, "--wait"); out.Code != 0 || !strings.Contains(out.Stdout, a.Name+" is up") {
			t.Fatalf("resume %s: exit code %d, %s%s", a.Name, out.Code, out.Stdout, out.Stderr)
		}
		// It takes new sessions again, the more the further its slow start is.
		harness.Wait(t, time.Minute, a.Name+" gets sessions after it was resumed", func() error {
			return atLeast(len(on(c.SignIn(t, 1), a.Name)), 1)
		})
	}
	records := load.Stop(t)
	harness.NoneFailed(t, records)
	c.RanOnce(t, records, "drain")
}

// drain drains the agent's server while a request of the session is on it, and sees that
// the command waits for that.
func drain(t *testing.T, c *harness.Cluster, a *harness.Node, s *harness.Session) {
	t.Helper()
	a.ResetStats(t)
	a.Inject(t, instrument.Fault{Kind: instrument.Hold, Path: slowPage, Times: 1})
	type end struct {
		answer client.Answer
		err    error
	}
	held := make(chan end, 1)
	go func() {
		answer, err := s.Post(context.Background(), slowPage, map[string]any{"start": 0, "limit": 1})
		held <- end{answer, err}
	}()
	harness.Wait(t, time.Minute, "the request reaches "+a.Name, func() error {
		return atLeast(a.Stats(t).ByURL["POST "+slowPage], 1)
	})
	if out := c.Booster.Command(t, "drain", a.Name, "--wait", "--timeout", "100ms"); out.Code != 1 {
		t.Errorf("drain %s with a request that takes longer than the time to wait: exit code %d, %s", a.Name, out.Code, out.Stdout)
	}
	command := harness.StartProcess(t, program, c.Dir, "drain-"+a.Name, "omflow", "drain", a.Name, "--wait", "--address", c.Booster.Admin)
	t.Cleanup(func() { command.Stop(t) })
	harness.Hold(t, 2*time.Second, "the command waits", func() error {
		if command.Ended() {
			return fmt.Errorf("it returned while a request was running: %s", command.Log())
		}
		return nil
	})
	a.EndFault(t)
	if e := <-held; e.err != nil || e.answer.Code != 200 || e.answer.Server() != a.Name {
		t.Errorf("the request: HTTP %d from %s, %v", e.answer.Code, e.answer.Server(), e.err)
	}
	harness.Wait(t, time.Minute, "drain "+a.Name+" returns", func() error {
		if !command.Ended() {
			return errors.New("it waits")
		}
		return nil
	})
	if command.Code() != 0 || !strings.Contains(command.Log(), a.Name+" is draining, 0 requests in flight") {
		t.Fatalf("drain %s: exit code %d, %s", a.Name, command.Code(), command.Log())
	}
}

// Commands end with 0 when all is well, 1 when the thing asked for is not so, and 2
// for wrong usage, and only the answer is on standard output.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{Servers: []harness.Server{{}}})
	cases := []struct {
		args string
		code int
		says string // on standard output for 0, else on standard error
	}{
		{"status", 0, "s1"},
		{"status --json", 0, `"name":"s1"`},
		{"drain s1 --wait", 0, "s1 is draining"},
		{"status", 1, ""}, // the only server is out
		{"resume s1 --wait", 0, "s1 is up"},
		{"maintenance s1 --wait", 0, "s1 is maintenance"},
		{"resume s1 --wait", 0, "s1 is up"},
		{"drain s9", 1, "server s9 is unknown: the servers are s1"},
		{"drain", 2, "name"},
		{"drain s1 s2", 2, "name"},
		{"drain s1 --nonsense", 2, "nonsense"},
		{"status extra", 2, "no arguments"},
		{"resume s1 --timeout soon", 2, "soon"},
	}
	for _, tc := range cases {
		out := c.Booster.Command(t, strings.Fields(tc.args)...)
		said, silent := out.Stdout, ""
		if tc.code != 0 {
			said = out.Stderr
			if tc.args != "status" {
				silent = out.Stdout
			}
		}
		if out.Code != tc.code || !strings.Contains(said, tc.says) || silent != "" {
			t.Errorf("omflow %s: exit code %d, should be %d and say %q\n%s%s", tc.args, out.Code, tc.code, tc.says, out.Stdout, out.Stderr)
		}
	}
	out := c.Booster.Command(t, "status", "--json")
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out.Stdout), &members); err != nil {
		t.Errorf("status --json is no JSON: %v: %s", err, out.Stdout)
	}
	for _, name := range []string{"node", "version", "pair", "servers", "queue", "members"} {
		if members[name] == nil {
			t.Errorf("status --json has no %q", name)
		}
	}
	if out := harness.Run(t, program, c.Dir, "omflow", "unheard-of"); out.Code != 2 || !strings.Contains(out.Stderr, "unheard-of") {
		t.Errorf("an unknown command: exit code %d, %s", out.Code, out.Stderr)
	}
	nobody := harness.FreeAddress(t)
	if out := harness.Run(t, program, c.Dir, "omflow", "status", "--address", nobody); out.Code != 1 || !strings.Contains(out.Stderr, nobody) {
		t.Errorf("status of nobody: exit code %d, %s", out.Code, out.Stderr)
	}
}
