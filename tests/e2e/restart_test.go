//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// restartSignal is what systemd sends to an agent that it restarts, by its unit.
func restartSignal(t *testing.T) os.Signal {
	t.Helper()
	unit, err := os.ReadFile(filepath.Join("..", "..", "deploy", "systemd", "omflow-agent.service"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^RestartKillSignal=(.*)$`).FindSubmatch(unit)
	if found == nil {
		t.Fatal("the unit names no signal for a restart")
	}
	known := map[string]os.Signal{"SIGQUIT": syscall.SIGQUIT, "SIGTERM": syscall.SIGTERM, "SIGKILL": syscall.SIGKILL}
	signal, ok := known[string(found[1])]
	if !ok {
		t.Fatalf("the unit's signal for a restart is %s", found[1])
	}
	return signal
}

// An upgrade of the program restarts one agent after the other: each adopts the server
// that the one before it ran, the lead server as the lead, and no user notices.
func TestRestartedAgents(t *testing.T) {
	t.Parallel()
	signal := restartSignal(t)
	c := start(t, harness.Config{})
	lead := c.Lead()
	if lead == nil {
		t.Fatal("there is no lead server")
	}
	load := harness.StartLoad(t, c.SignIn(t, 30), harness.LoadConfig{Rate: 20, CreateEvery: 5, Titles: "restart"})
	for _, a := range c.Agents {
		pid := a.ServerPID()
		a.Signal(signal)
		select {
		case <-a.Done():
		case <-time.After(time.Minute):
			t.Fatalf("%s does not end", a.Name)
		}
		if !harness.Alive(pid) {
			t.Errorf("the server of %s ended with its agent", a.Name)
		}
		a.Start(t)
		harness.Wait(t, time.Minute, "the new agent of "+a.Name+" adopts the server, and reaches the booster", func() error {
			if !strings.Contains(a.Log(), "server adopted") {
				return errors.New("no server was adopted")
			}
			status, err := a.Status()
			if err != nil {
				return err
			}
			for _, m := range status.Members {
				if m.Name == c.Booster.Name && m.State == "alive" {
					return nil
				}
			}
			return fmt.Errorf("members: %+v", status.Members)
		})
		c.WaitUp(t, 3)
		if now := a.ServerPID(); now != pid {
			t.Errorf("the server of %s is process %d, it was %d", a.Name, now, pid)
		}
	}
	if now := c.Lead(); now != lead {
		t.Errorf("the lead server is another than %s", lead.Name)
	}
	records := load.Stop(t)
	harness.NoneFailed(t, records)
	c.RanOnce(t, records, "restart")

	// A stop ends the server.
	a := c.Agents[0]
	pid := a.ServerPID()
	a.Signal(syscall.SIGTERM)
	harness.Wait(t, time.Minute, "the agent that is stopped stops its server", func() error {
		if harness.Alive(pid) {
			return fmt.Errorf("process %d lives", pid)
		}
		return nil
	})
}
