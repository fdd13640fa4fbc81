//go:build linux

package e2e

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// Reloads of the booster and of agents under load fail no request, and change neither
// the membership nor the servers' processes.
func TestReload(t *testing.T) {
	c := start(t, harness.Config{})
	pids := c.ServerPIDs(t)
	nodes := append([]*harness.Node{c.Booster}, c.Agents...)
	left := func() (n int) {
		for _, node := range nodes {
			n += strings.Count(node.Log(), `"msg":"member is left"`)
		}
		return n
	}
	sessions := c.SignIn(t, 60)
	load := harness.StartLoad(t, sessions, harness.LoadConfig{Rate: 200, CreateEvery: 5, Titles: "reload"})
	same := func(what string) {
		t.Helper()
		// Where processes wait for a processor, some are thought to be away for a moment.
		harness.Wait(t, time.Minute, what+": all are there", func() error {
			status, err := c.Booster.Status()
			if err != nil {
				return err
			}
			if len(status.Members) != len(nodes) {
				return fmt.Errorf("members: %+v", status.Members)
			}
			for _, n := range nodes {
				if state := status.MemberStates()[n.Name]; state != "alive" {
					return fmt.Errorf("%s is %s", n.Name, state)
				}
			}
			for _, a := range c.Agents {
				if state := status.State(a.Name); state != "up alive" {
					return fmt.Errorf("%s is %s", a.Name, state)
				}
			}
			return nil
		})
		if n := left(); n > 0 {
			t.Errorf("%s: members have left, %d times", what, n)
		}
		if now := c.ServerPIDs(t); !maps.Equal(now, pids) {
			t.Errorf("%s: processes %v, before %v", what, now, pids)
		}
	}
	for i := range 5 {
		c.Booster.Front = fmt.Sprintf("queue %d 20s\nresponse_timeout %ds", 1000+i, 60+i)
		c.Booster.Reload(t)
		same("reload of the booster")
	}
	for i, a := range c.Agents {
		a.Spec.Capacity = 10 + i
		a.Reload(t)
		harness.Wait(t, time.Minute, "the booster knows of "+a.Name+"'s capacity", func() error {
			status, err := c.Booster.Status()
			if err != nil {
				return err
			}
			for _, s := range status.Servers {
				if s.Name == a.Name && s.Capacity == a.Spec.Capacity {
					return nil
				}
			}
			return fmt.Errorf("servers: %+v", status.Servers)
		})
		same("reload of " + a.Name)
	}
	records := load.Stop(t)
	harness.NoneFailed(t, records)
	c.RanOnce(t, records, "reload")
}

// The server of an agent that was killed goes on serving, and the agent that is
// started after it takes the very process over. It is a follower: the lead server would
// be killed when its lease runs out before there is another agent.
func TestKilledAgent(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{})
	c.LeadFirst(t)
	a := c.Agents[1]
	pid := a.ServerPID()
	load := harness.StartLoad(t, c.SignIn(t, 30), harness.LoadConfig{Rate: 50, CreateEvery: 5, Titles: "agent"})
	a.Kill()
	harness.Wait(t, time.Minute, "the booster misses the agent", func() error {
		status, err := c.Booster.Status()
		if err != nil {
			return err
		}
		if state := status.State(a.Name); state != "up lost" {
			return fmt.Errorf("%s is %s", a.Name, state)
		}
		return nil
	})
	a.ResetStats(t)
	harness.Wait(t, time.Minute, "the server without an agent serves", func() error {
		return atLeast(a.Stats(t).Requests, 20)
	})
	a.Start(t)
	c.WaitUp(t, 3)
	if now := a.ServerPID(); now != pid {
		t.Errorf("the server is process %d, it was %d", now, pid)
	}
	records := load.Stop(t)
	harness.NoneFailed(t, records)
	c.RanOnce(t, records, "agent")

	// It is really its own again: stopping the agent ends it.
	a.Signal(syscall.SIGTERM)
	harness.Wait(t, time.Minute, "the agent stops the server that it took over", func() error {
		if harness.Alive(pid) {
			return fmt.Errorf("process %d lives", pid)
		}
		return nil
	})
}
