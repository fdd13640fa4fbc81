//go:build linux

package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/instrument"
)

// ServerPID returns the process of the agent's server, or 0 when there is none.
func (n *Node) ServerPID() int { return listening(n.Server) }

// ServerPIDs returns the processes of all servers, by name.
func (c *Cluster) ServerPIDs(t testing.TB) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for _, n := range c.Agents {
		pids[n.Name] = n.runningPID(t)
	}
	return pids
}

// runningPID is ServerPID of one that runs, or is just being restarted and is waited for.
func (n *Node) runningPID(t testing.TB) (pid int) {
	t.Helper()
	Wait(t, StartTime, "server "+n.Name+" runs", func() error {
		if pid = n.ServerPID(); pid == 0 {
			return errors.New("there is no process")
		}
		return nil
	})
	return pid
}

// KillServer ends the server of agent i with SIGKILL, and returns when it is dead:
// nothing that is sent from now on is sent to it.
func (c *Cluster) KillServer(t testing.TB, i int) {
	t.Helper()
	pid := c.signalServer(t, i, syscall.SIGKILL)
	Wait(t, 30*time.Second, "the server dies", func() error {
		if Alive(pid) {
			return fmt.Errorf("process %d lives", pid)
		}
		return nil
	})
}

// StopServer makes the server of agent i hang with SIGSTOP.
func (c *Cluster) StopServer(t testing.TB, i int) {
	t.Helper()
	c.signalServer(t, i, syscall.SIGSTOP)
}

func (c *Cluster) signalServer(t testing.TB, i int, s syscall.Signal) int {
	t.Helper()
	pid := c.Agents[i].runningPID(t)
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatalf("send %v to server %s: %v", s, c.Agents[i].Name, err)
	}
	return pid
}

// Stats returns the counters of the agent's server.
func (n *Node) Stats(t testing.TB) instrument.Stats {
	t.Helper()
	var s instrument.Stats
	if err := getJSON("http://"+n.Server+"/__testbed/stats", &s); err != nil {
		t.Fatalf("counters of %s: %v", n.Name, err)
	}
	return s
}

// ResetStats sets the counters of the agent's server to zero.
func (n *Node) ResetStats(t testing.TB) { n.instrument(t, http.MethodDelete, "stats", nil) }

// EndFault makes the agent's server behave again.
func (n *Node) EndFault(t testing.TB) { n.instrument(t, http.MethodDelete, "fault", nil) }

// Inject makes the agent's server misbehave.
func (n *Node) Inject(t testing.TB, f instrument.Fault) {
	t.Helper()
	body, err := json.Marshal(f)
	if err != nil {
		t.Fatalf("encode a fault: %v", err)
	}
	n.instrument(t, http.MethodPost, "fault", body)
}

func (n *Node) instrument(t testing.TB, method, what string, body []byte) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+n.Server+"/__testbed/"+what, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("instruments of %s: %v", n.Name, err)
	}
	resp, err := asking.Do(req)
	if err != nil {
		t.Fatalf("instruments of %s: %v", n.Name, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // only to show it
		t.Fatalf("instruments of %s: HTTP %d: %s", n.Name, resp.StatusCode, text)
	}
}
