//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/trust"
	"github.com/omflow/booster/tests/e2e/harness"
)

// An agent with another key is refused, which is logged once a minute and disturbs
// nobody. The key is then changed to its own without an interruption, by reloads in
// three steps, and the agent joins by itself.
func TestKeys(t *testing.T) {
	t.Parallel()
	old, next := trust.Generate(), trust.Generate()
	c := start(t, harness.Config{Keys: []string{old}})
	cluster := append([]*harness.Node{c.Booster}, c.Agents...)
	stranger := c.AddAgent(t, "s4", harness.Server{})
	stranger.Keys = []string{next}
	sessions := c.SignIn(t, 30)
	load := harness.StartLoad(t, sessions, harness.LoadConfig{Rate: 50, CreateEvery: 5, Titles: "key"})

	stranger.Start(t)
	const refusal = "uses another cluster key"
	harness.Wait(t, time.Minute, "the booster refuses the agent", func() error {
		return atLeast(refusals(c.Booster, refusal), 1)
	})
	// It goes on trying. Its tries are of two kinds, connections and packets.
	harness.Hold(t, 6*time.Second, "the agent stays out", func() error {
		status, err := c.Booster.Status()
		if err != nil {
			return err
		}
		if len(status.Servers) != 3 || len(status.Members) != 4 {
			return fmt.Errorf("servers %+v, members %+v", status.Servers, status.Members)
		}
		return nil
	})
	if n := refusals(c.Booster, refusal); n > 1 {
		t.Errorf("the booster logged %d times that the agent was refused", n)
	}
	if n := warnings(c.Booster); n > 10 {
		t.Errorf("the booster logged %d warnings", n)
	}

	for _, keys := range [][]string{{old, next}, {next, old}, {next}} {
		for i, n := range cluster {
			n.Keys = keys
			n.Reload(t)
			if i == 0 && keys[0] == next && len(keys) == 2 {
				// The booster uses the new key and the agents the old one, which is what
				// the second key of each is for.
				rejoin(t, c.Agents[2])
			}
		}
		harness.Wait(t, time.Minute, fmt.Sprintf("all are there with %d keys", len(keys)), func() error {
			status, err := c.Booster.Status()
			if err != nil {
				return err
			}
			for _, a := range cluster[1:] {
				if state := status.State(a.Name); state != "up alive" {
					return fmt.Errorf("%s is %s", a.Name, state)
				}
			}
			return nil
		})
	}
	c.WaitUp(t, 4)
	records := load.Stop(t)
	harness.NoneFailed(t, records)
	c.RanOnce(t, records, "key")

	// The old key is worth nothing any more.
	stranger.Stop(t)
	seen := len(c.Booster.Log())
	stranger.Keys = []string{old}
	stranger.Start(t)
	harness.Wait(t, time.Minute, "the agent is back with the old key", func() error {
		return atLeast(strings.Count(stranger.Log(), "serving initial configuration"), 2)
	})
	harness.Hold(t, 3*time.Second, "the old key is refused", func() error {
		if strings.Contains(c.Booster.Log()[seen:], `"member is alive","member":"s4"`) {
			return errors.New("the agent joined")
		}
		return nil
	})
}

// rejoin starts an agent again, without its server noticing, and waits until it
// has found the booster.
func rejoin(t *testing.T, a *harness.Node) {
	t.Helper()
	const found = `"msg":"member is alive","member":"booster"`
	before := strings.Count(a.Log(), found)
	a.Kill()
	a.Start(t)
	harness.Wait(t, harness.StartTime, a.Name+" finds the booster", func() error {
		return atLeast(strings.Count(a.Log(), found), before+1)
	})
}

func refusals(n *harness.Node, text string) int { return strings.Count(n.Log(), text) }

// warnings counts what a node warned of that is not about a member or a server: where
// processes wait for a processor, those are thought to be away now and then.
func warnings(n *harness.Node) (count int) {
	for line := range strings.Lines(n.Log()) {
		if strings.Contains(line, `"level":"warn"`) && !strings.Contains(line, `"member":`) && !strings.Contains(line, `"server":`) {
			count++
		}
	}
	return count
}
