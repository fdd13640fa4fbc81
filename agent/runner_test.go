//go:build unix

package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/replica"
	replicas "github.com/omflow/booster/internal/replica/api"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/testbed/ports"
)

// board is a cluster that keeps the latest report, and all states in turn. Its
// booster answers with answer, by default that the server is a follower.
type board struct {
	mu     sync.Mutex
	last   gossip.Report
	states []gossip.ServerState
	asked  rollout.Ask
	answer func(rollout.Ask) (rollout.Answer, error)
	claims []gossip.Report // all in turn, of processes
	copies replica.Peers   // nil: there are no others
}

func (b *board) Ask(_ context.Context, ask rollout.Ask) (rollout.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = ask
	if b.answer == nil {
		return rollout.Answer{Term: 1, Part: rollout.Follower}, nil
	}
	return b.answer(ask)
}

// say changes what the booster answers.
func (b *board) say(answer func(rollout.Ask) (rollout.Answer, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

func (b *board) Tell(alike.Facts) error { return nil }

func (b *board) Facts() map[string]alike.Facts { return nil }

func (b *board) Ahead(context.Context) (time.Duration, error) { return 0, errNoBooster }

func (b *board) Replicas() replica.Peers {
	if b.copies != nil {
		return b.copies
	}
	return replicas.Client{Agents: func() []string { return nil }}
}

func (b *board) Releases() patch.Peers { return nil }

func (b *board) Witness(context.Context, []string) (reached, hears int) { return 0, 0 }

func (b *board) Epoch() rollout.Epoch { return "" }

// waitAsk polls until the agent has asked as wanted.
func (b *board) waitAsk(t *testing.T, what string, ok func(rollout.Ask) bool) (last rollout.Ask) {
	t.Helper()
	observe.Succeeds(t, what, func() error {
		b.mu.Lock()
		last = b.asked
		b.mu.Unlock()
		if !ok(last) {
			return fmt.Errorf("the latest question is %+v", last)
		}
		return nil
	})
	return last
}

func (b *board) SetReport(r gossip.Report) error {
	if err := r.Validate(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.State != b.last.State {
		b.states = append(b.states, r.State)
	}
	if b.last = r; r.PID != 0 {
		b.claims = append(b.claims, r)
	}
	return nil
}

func (b *board) get() gossip.Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// changes returns how often the state changed.
func (b *board) changes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.states)
}

// saw tells whether a state was reported since the beginning.
func (b *board) saw(state gossip.ServerState) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.states {
		if s == state {
			return true
		}
	}
	return false
}

// wait polls until the latest report is as wanted.
func (b *board) wait(t *testing.T, what string, ok func(gossip.Report) bool) (last gossip.Report) {
	t.Helper()
	observe.Succeeds(t, what, func() error {
		if last = b.get(); !ok(last) {
			return fmt.Errorf("the latest report is %+v", last)
		}
		return nil
	})
	return last
}

func up(r gossip.Report) bool { return r.State == gossip.ServerUp }

// upWithout is up with another process than the given one.
func upWithout(pid int) func(gossip.Report) bool {
	return func(r gossip.Report) bool { return up(r) && r.PID != pid }
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// bed is where one test's agents live: one server's state and address.
type bed struct {
	t      *testing.T
	dir    string
	server string
	home   string // where one is kept over reloads
	to     *board
}

func newBed(t *testing.T) *bed {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else the child stays a second after its end
	return &bed{t: t, dir: t.TempDir(), server: fmt.Sprintf("127.0.0.1:%d", port), to: &board{}}
}

// agent makes one with a quick health check that runs the test's child, which may be slow
// on a busy machine.
func (b *bed) agent(change func(*Agent), run ...string) *Agent {
	b.t.Helper()
	if len(run) == 0 {
		run = []string{os.Args[0], "child-web", b.server}
	}
	a := &Agent{Server: b.server, Run: run, StopGrace: caddy.Duration(observe.Patience), Health: &caddyconf.Health{
		Live: "/live", Ready: "/ready", Interval: caddy.Duration(20 * time.Millisecond), Timeout: caddy.Duration(observe.Patience),
	}}
	if change != nil {
		change(a)
	}
	if err := provision(b.t, a); err != nil {
		b.t.Fatal(err)
	}
	a.log = slog.New(slog.DiscardHandler)
	return a
}

func (b *bed) start(a *Agent, change func(*settings)) {
	b.t.Helper()
	s := a.settings(b.to, "s1")
	s.backoff = time.Millisecond
	if change != nil {
		change(s)
	}
	if err := a.start(b.dir, "s1", s); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			b.t.Errorf("stop: %v", err)
		}
	})
}

// tell calls one of the child's buttons.
func (b *bed) tell(path string) {
	b.t.Helper()
	client := &http.Client{Timeout: observe.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + b.server + path)
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
}

func TestAgentStartsAndStops(t *testing.T) {
	b := newBed(t)
	a := b.agent(func(a *Agent) { a.Capacity, a.Weight = 4, 50 })
	b.start(a, nil)
	r := b.to.wait(t, "up", up)
	if r.Server != "s1" || r.Address != b.server || r.Capacity != 4 || r.Weight != 50 || !r.Live || !r.Ready || r.Reason != "" || !alive(r.PID) {
		t.Errorf("report %+v", r)
	}
	if !b.to.saw(gossip.ServerStarting) {
		t.Error("it was not reported to be starting")
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if last := b.to.get(); last.State != gossip.ServerStopped || last.PID != 0 || last.Ready || alive(r.PID) {
		t.Errorf("in the end %+v, process lives: %v", last, alive(r.PID))
	}
}

func TestKilledServerIsStartedAgain(t *testing.T) {
	b := newBed(t)
	b.start(b.agent(nil), func(s *settings) { s.backoff = time.Second }) // in which its end can be reported
	first := b.to.wait(t, "up", up)
	syscall.Kill(first.PID, syscall.SIGKILL)
	second := b.to.wait(t, "up again", upWithout(first.PID))
	if second.Restarts != 1 || !b.to.saw(gossip.ServerDown) {
		t.Errorf("report %+v, reported as down: %v", second, b.to.saw(gossip.ServerDown))
	}
}

func TestHungServerIsReplaced(t *testing.T) {
	for name, hang := range map[string]func(*bed, int){
		"answers nothing": func(b *bed, _ int) { b.tell("/hang") },
		"is stopped":      func(_ *bed, pid int) { syscall.Kill(pid, syscall.SIGSTOP) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.start(b.agent(func(a *Agent) { a.Health.Timeout = caddy.Duration(200 * time.Millisecond) }), nil)
			first := b.to.wait(t, "up", up)
			hang(b, first.PID)
			b.to.wait(t, "replaced", upWithout(first.PID))
			if alive(first.PID) {
				t.Error("the hung process lives")
			}
		})
	}
}

// TestNotReadyIsNotReplaced: a database that is away is no reason to restart.
func TestNotReadyIsNotReplaced(t *testing.T) {
	b := newBed(t)
	b.start(b.agent(nil), nil)
	first := b.to.wait(t, "up", up)
	b.tell("/unready")
	r := b.to.wait(t, "down", func(r gossip.Report) bool { return r.State == gossip.ServerDown })
	if !r.Live || r.Ready || r.PID != first.PID || !strings.Contains(r.Reason, "GET /ready: answered HTTP 503") {
		t.Errorf("report %+v", r)
	}
}

// TestSlowStart: the live check does not count before the server has come up.
func TestSlowStart(t *testing.T) {
	b := newBed(t)
	// The port is taken by nobody: the child listens elsewhere and stays mute.
	b.start(b.agent(nil, os.Args[0], "child-web", "127.0.0.1:0"), func(s *settings) { s.startup = time.Second })
	begun := time.Now()
	r := b.to.wait(t, "starting", func(r gossip.Report) bool { return strings.Contains(r.Reason, "does not answer yet") })
	b.to.wait(t, "replaced", func(now gossip.Report) bool { return now.PID != 0 && now.PID != r.PID })
	if took := time.Since(begun); took < 900*time.Millisecond {
		t.Errorf("replaced %s after its start", took)
	}
}

func TestFatalIsReported(t *testing.T) {
	b := newBed(t)
	b.start(b.agent(nil, os.Args[0], "child-fail"), nil)
	r := b.to.wait(t, "failed", func(r gossip.Report) bool { return r.State == gossip.ServerFailed })
	for _, part := range []string{"5 quick exits", "exit status 7", "ImportError: no module named django"} {
		if !strings.Contains(r.Reason, part) {
			t.Errorf("reason %q does not say %q", r.Reason, part)
		}
	}
	b.start(b.agent(nil), nil) // the operator mends the command and reloads
	b.to.wait(t, "up", up)
}

// TestServerManagedElsewhere: without a command the agent checks and reports,
// and does not stop what it did not start.
func TestServerManagedElsewhere(t *testing.T) {
	b := newBed(t)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	b.server = strings.TrimPrefix(server.URL, "http://")
	a := b.agent(func(a *Agent) { a.Run = nil })
	b.start(a, nil)
	if r := b.to.wait(t, "up", up); r.PID != 0 || !r.Live {
		t.Errorf("report %+v", r)
	}
	server.Close()
	// Either check may be the first to fail.
	r := b.to.wait(t, "down", func(r gossip.Report) bool { return r.State == gossip.ServerDown && !r.Live })
	if !strings.Contains(r.Reason, "connection refused") {
		t.Errorf("report %+v", r)
	}
}

// TestTwoAgentsOnOneServer: a second agent, as from another Caddy, is refused.
func TestTwoAgentsOnOneServer(t *testing.T) {
	b := newBed(t)
	b.start(b.agent(nil), nil)
	b.to.wait(t, "up", up)
	other := b.agent(nil)
	// The folder under another name has a runner of its own, like another Caddy.
	link := filepath.Join(t.TempDir(), "state")
	if err := os.Symlink(b.dir, link); err != nil {
		t.Fatal(err)
	}
	err := other.start(link, "s1", other.settings(&board{}, "s1"))
	if err == nil || !strings.Contains(err.Error(), "another supervisor") {
		t.Errorf("a second agent: %v", err)
	}
	if err := other.Stop(); err != nil {
		t.Error(err)
	}
	if r := b.to.get(); !up(r) || !alive(r.PID) {
		t.Errorf("the first: %+v", r)
	}
}
