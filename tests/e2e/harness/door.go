//go:build linux

package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/tests/faults"
)

// Door is the cluster for the checks of package faults.
func (c *Cluster) Door(t testing.TB) faults.Door {
	t.Helper()
	end := func(s syscall.Signal) func(context.Context, int) error {
		return func(ctx context.Context, i int) error { return c.endServer(ctx, i, s) }
	}
	return faults.Door{
		URL: c.Booster.URL, Truth: c.Queries, Servers: len(c.Agents), Patience: 2 * time.Minute,
		Restart: end(syscall.SIGTERM), Kill: end(syscall.SIGKILL),
		StopDatabase: func(context.Context) error {
			c.StopDatabase(t)
			return nil
		},
		StartDatabase: func(context.Context) error {
			c.StartDatabase(t)
			Wait(t, StartTime, "the database comes up", c.Queries.Ping)
			return nil
		},
	}
}

// endServer ends the server of agent i and returns when the agent has started it
// again and the booster gives it requests. One that is just being restarted, because
// something has changed, is waited for.
func (c *Cluster) endServer(ctx context.Context, i int, s syscall.Signal) error {
	n := c.Agents[i]
	old := n.ServerPID()
	for deadline := time.Now().Add(StartTime); old == 0; old = n.ServerPID() {
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("server %s does not run", n.Name)
		}
		time.Sleep(pollPeriod)
	}
	if err := syscall.Kill(old, s); err != nil {
		return fmt.Errorf("send %v to server %s: %w", s, n.Name, err)
	}
	var last string
	for deadline := time.Now().Add(StartTime); ; time.Sleep(pollPeriod) {
		status, err := c.Booster.Status()
		if err == nil {
			if last = status.State(n.Name); last == "up alive" && n.ServerPID() != 0 && n.ServerPID() != old {
				return nil
			}
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("server %s does not come back: %s, %w", n.Name, last, err)
		}
	}
}

// Leads watches how many lead servers run, by their environment, until Stop.
type Leads struct {
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	most  int
	seen  map[int]bool // processes
	moves []string
}

// WatchLeads looks twenty times a second.
func (c *Cluster) WatchLeads(t testing.TB) *Leads {
	t.Helper()
	l := &Leads{stop: make(chan struct{}), done: make(chan struct{}), seen: make(map[int]bool)}
	go func() {
		defer close(l.done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		begun := time.Now()
		last := "none"
		for {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
			pids := c.leads()
			now := fmt.Sprint(pids)
			l.mu.Lock()
			l.most = max(l.most, len(pids))
			for _, pid := range pids {
				l.seen[pid] = true
			}
			if now != last {
				l.moves = append(l.moves, fmt.Sprintf("%.2fs %s", time.Since(begun).Seconds(), now))
				last = now
			}
			l.mu.Unlock()
		}
	}()
	return l
}

// Stop ends the watch and tells whether there were never two.
func (l *Leads) Stop(t testing.TB) {
	t.Helper()
	close(l.stop)
	<-l.done
	t.Logf("processes of the lead server: %v", l.moves)
	if l.most > 1 {
		t.Errorf("%d lead servers ran at once", l.most)
	}
}

// Count returns how many lead processes there were.
func (l *Leads) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// leads returns the processes of servers that run as the lead.
func (c *Cluster) leads() []int {
	data := []byte("\x00" + dataVariable + c.Dir + "/")
	return processes(func(folder string) bool {
		environ, err := os.ReadFile(filepath.Join(folder, "environ"))
		environ = append([]byte{0}, environ...)
		if err != nil || !bytes.Contains(environ, data) || !bytes.Contains(environ, []byte("\x00RUN_MAIN=true\x00")) {
			return false
		}
		line, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		return err == nil && bytes.Contains(line, []byte("\x00stand-in\x00"))
	})
}

// LeadFirst puts the agent whose server is the lead first in Agents: which one that is
// depends on who of them was there first.
func (c *Cluster) LeadFirst(t testing.TB) {
	t.Helper()
	lead := c.Lead()
	if lead == nil {
		t.Fatal("there is no lead server")
	}
	i := slices.Index(c.Agents, lead)
	c.Agents[0], c.Agents[i] = c.Agents[i], c.Agents[0]
}

// Lead returns the agent whose server is the lead, or nil.
func (c *Cluster) Lead() *Node {
	leads := c.leads()
	for _, n := range c.Agents {
		if slices.Contains(leads, n.ServerPID()) {
			return n
		}
	}
	return nil
}
