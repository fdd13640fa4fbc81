//go:build linux

package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/procfs"
	"github.com/omflow/booster/internal/testbed/observe"
)

// supervisor returns one that runs the test's child in the given mode, with
// short times.
func supervisor(t *testing.T, dir string, change func(*Config), mode ...string) (*Supervisor, *journal) {
	t.Helper()
	j := &journal{}
	cfg := Config{
		Name: "s1", Command: append([]string{os.Args[0]}, mode...), Env: childEnv,
		StateDir: dir, StopGrace: observe.Patience, Logger: j.logger(),
		BackoffMin: 20 * time.Millisecond, BackoffMax: 40 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(within(t)); err != nil {
			t.Errorf("close: %v", err)
		}
		if t.Failed() {
			t.Logf("journal:\n%s", j)
		}
	})
	return s, j
}

func alive(pid int) bool {
	st, err := procfs.ReadStat(pid)
	return err == nil && !st.Ended()
}

func waitState(t *testing.T, s *Supervisor, want State) Status {
	t.Helper()
	changes, cancel := s.Changes()
	defer cancel()
	timeout := time.After(observe.Patience)
	for {
		select {
		case got, ok := <-changes:
			if !ok {
				t.Fatalf("supervisor ended, not %s", want)
			}
			if got.State == want {
				return got
			}
		case <-timeout:
			t.Fatalf("state %+v, want %s", s.State(), want)
		}
	}
}

func waitOutput(t *testing.T, j *journal, part string) string {
	t.Helper()
	observe.Eventually(t, "output "+part, func() bool { return j.find(part) != "" })
	return j.find(part)
}

func TestStartStop(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), nil, "serve", "one")
	if got := s.State(); got.State != Stopped || got.PID != 0 {
		t.Errorf("at first: %+v", got)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	got := s.State()
	if got.State != Running || !alive(got.PID) || got.Restarts != 0 || got.Adopted {
		t.Errorf("started: %+v", got)
	}
	if st, err := procfs.ReadStat(got.PID); err != nil || st.Group != got.PID {
		t.Errorf("process %d is in group %d (%v)", got.PID, st.Group, err)
	}
	waitOutput(t, j, "INFO serving one server=s1")
	if err := s.Start(); err != nil || s.State().PID != got.PID {
		t.Errorf("a second start: %v, %+v", err, s.State())
	}
	if err := s.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	if alive(got.PID) {
		t.Error("the process lives after Stop")
	}
	if now := s.State(); now.State != Stopped || now.PID != 0 || now.LastExit != "exit status 0" {
		t.Errorf("stopped: %+v", now)
	}
	if j.find("INFO bye server=s1") == "" {
		t.Error("the last line is not in the log")
	}
	if _, ok, err := loadRecord(s.stateDir(t)); ok || err != nil {
		t.Errorf("server.pid after stop: %v %v", ok, err)
	}
	if err := s.Stop(within(t)); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

func (s *Supervisor) stateDir(t *testing.T) (dir string) {
	t.Helper()
	if err := s.ask(func(k *keeper) { dir = k.cfg.StateDir }); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestKillGroup: a process that ignores TERM is killed when its grace is over,
// its children too.
func TestKillGroup(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), func(c *Config) { c.StopGrace = 50 * time.Millisecond }, "stubborn")
	s.Start()
	pid := s.State().PID
	var leaf int
	fmt.Sscanf(waitOutput(t, j, "INFO leaf "), "INFO leaf %d", &leaf)
	if !alive(leaf) {
		t.Fatalf("grandchild %d does not live", leaf)
	}
	begun := time.Now()
	if err := s.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 50*time.Millisecond {
		t.Errorf("killed after %s, before its grace was over", took)
	}
	if alive(pid) || alive(leaf) {
		t.Errorf("alive after stop: process %v, grandchild %v", alive(pid), alive(leaf))
	}
	if got := s.State().LastExit; got != "killed by SIGKILL" {
		t.Errorf("last exit %q", got)
	}
}

// TestOrphanedChildren: what a process leaves behind goes when it goes, whether
// it was stopped or ended by itself.
func TestOrphanedChildren(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), func(c *Config) { c.StopGrace = 50 * time.Millisecond }, "orphaning")
	s.Start()
	var leaf, next int
	fmt.Sscanf(waitOutput(t, j, "INFO leaf "), "INFO leaf %d", &leaf)
	syscall.Kill(s.State().PID, syscall.SIGKILL)
	observe.Eventually(t, "a restart", func() bool { return s.State().Restarts == 1 })
	if alive(leaf) {
		t.Error("a new process was started while the old one's child lives")
	}
	observe.Eventually(t, "the second leaf", func() bool {
		for _, line := range j.all() {
			if fmt.Sscanf(line, "INFO leaf %d", &next); next != 0 && next != leaf {
				return true
			}
		}
		return false
	})
	if err := s.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	if alive(next) {
		t.Error("the child lives after Stop")
	}
}

// TestGroupHasItsGrace: a shell that runs the server ends at once, and the server goes on
// with what it does.
func TestGroupHasItsGrace(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), nil, "wrapper")
	s.Start()
	var slow int
	fmt.Sscanf(waitOutput(t, j, "INFO slow "), "INFO slow %d", &slow)
	if err := s.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	if j.find("INFO finished") == "" {
		t.Error("what it did was cut off")
	}
	if got := s.State(); got.State != Stopped || got.LastExit != "killed by SIGTERM" || alive(slow) {
		t.Errorf("in the end: %+v, the server lives: %v", got, alive(slow))
	}
}

// TestGroupIsKilledAfterItsGrace: what does not end, though the first process has, is killed
// when the grace is over, and not before.
func TestGroupIsKilledAfterItsGrace(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), func(c *Config) { c.StopGrace = time.Hour }, "orphaning")
	s.Start()
	var leaf int
	fmt.Sscanf(waitOutput(t, j, "INFO leaf "), "INFO leaf %d", &leaf)
	first := s.State().PID
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Stop(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("stop: %v", err)
	}
	observe.Eventually(t, "the end of the first process", func() bool { return !alive(first) })
	if !alive(leaf) {
		t.Error("what it left was killed before its grace was over")
	}
	if err := s.StopFast(within(t), 0); err != nil {
		t.Fatal(err)
	}
	if alive(leaf) {
		t.Error("what it left lives on")
	}
}

// TestStopOfStoppedProcess: TERM reaches a process that SIGSTOP holds.
func TestStopOfStoppedProcess(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), nil, "serve")
	s.Start()
	waitOutput(t, j, "INFO serving")
	syscall.Kill(s.State().PID, syscall.SIGSTOP)
	if err := s.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	if got := s.State().LastExit; got != "exit status 0" {
		t.Errorf("last exit %q", got)
	}
}

func TestBackoffAndFatal(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), func(c *Config) {
		c.FatalAfter, c.QuickExit = 3, time.Hour
		c.BackoffMin, c.BackoffMax = time.Second, time.Second // long enough to be seen
	}, "fail")
	s.Start()
	sawBackoff := false
	observe.Eventually(t, "fatal", func() bool {
		now := s.State().State
		sawBackoff = sawBackoff || now == Backoff
		return now == Fatal
	})
	got := s.State()
	if !sawBackoff || got.PID != 0 || got.Restarts != 2 || got.LastExit != "exit status 7" {
		t.Errorf("fatal (back-off seen: %v): %+v", sawBackoff, got)
	}
	for _, part := range []string{"3 quick exits", "exit status 7", "ImportError: no module named django"} {
		if !strings.Contains(got.Reason, part) {
			t.Errorf("reason %q does not say %q", got.Reason, part)
		}
	}
	starts := func() (n int) {
		for _, line := range j.all() {
			if strings.Contains(line, "INFO server started") {
				n++
			}
		}
		return n
	}
	if n := starts(); n != 3 {
		t.Errorf("started %d times", n)
	}
	s.Start() // leaves Fatal and begins to count anew
	observe.Eventually(t, "three more starts", func() bool { return starts() == 6 && s.State().State == Fatal })
	if err := s.Restart(within(t)); err != nil {
		t.Errorf("restart of a command that can be started: %v", err)
	}
	if err := s.Stop(within(t)); err != nil || s.State().State != Stopped {
		t.Errorf("stop: %v, %+v", err, s.State())
	}
}

func TestNoSuchCommand(t *testing.T) {
	s, _ := supervisor(t, t.TempDir(), func(c *Config) { c.Command = []string{"/no/such/python3"}; c.FatalAfter = 2 })
	if err := s.Restart(within(t)); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("restart: %v", err)
	}
	got := waitState(t, s, Fatal)
	if !strings.Contains(got.Reason, "/no/such/python3") {
		t.Errorf("reason %q", got.Reason)
	}
}

// TestLongRunIsNoQuickExit: a process that dies now and then never is fatal.
func TestLongRunIsNoQuickExit(t *testing.T) {
	s, _ := supervisor(t, t.TempDir(), func(c *Config) { c.FatalAfter = 2; c.QuickExit = time.Nanosecond }, "serve")
	s.Start()
	for n := range 4 {
		pid := s.State().PID
		syscall.Kill(pid, syscall.SIGKILL)
		observe.Eventually(t, "restart", func() bool {
			got := s.State()
			return got.State == Running && got.Restarts == n+1 && got.PID != pid
		})
	}
	if got := s.State().LastExit; got != "killed by SIGKILL" {
		t.Errorf("last exit %q", got)
	}
}

func TestRestartAndReplace(t *testing.T) {
	s, _ := supervisor(t, t.TempDir(), nil, "serve")
	if err := s.Restart(within(t)); err != nil { // of nothing is a start
		t.Fatal(err)
	}
	first := s.State().PID
	if err := s.Restart(within(t)); err != nil {
		t.Fatal(err)
	}
	second := s.State()
	if second.PID == first || alive(first) || second.State != Running || second.Restarts != 1 {
		t.Errorf("restarted: %+v, first %d alive: %v", second, first, alive(first))
	}
	if err := s.Replace(within(t), 0, "it hangs"); err != nil {
		t.Fatal(err)
	}
	third := s.State()
	if third.PID == second.PID || alive(second.PID) || third.LastExit != "killed by SIGKILL" {
		t.Errorf("replaced: %+v", third)
	}
}

// TestStopShortened: a stop that is under way can be made to kill at once.
func TestStopShortened(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), func(c *Config) { c.StopGrace = time.Hour }, "stubborn")
	s.Start()
	waitOutput(t, j, "INFO leaf ")
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Stop(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("stop of a stubborn process: %v", err)
	}
	if got := s.State(); got.State != Stopping || got.Reason == "" {
		t.Errorf("meanwhile: %+v", got)
	}
	if err := s.StopFast(within(t), 0); err != nil {
		t.Fatal(err)
	}
	if got := s.State(); got.State != Stopped {
		t.Errorf("then: %+v", got)
	}
}

// TestCloseKills: Close with little time kills rather than leaving a process.
func TestCloseKills(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), func(c *Config) { c.StopGrace = time.Hour }, "stubborn")
	s.Start()
	waitOutput(t, j, "INFO leaf ")
	pid := s.State().PID
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Close(soon); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("the process lives after Close")
	}
	if err := s.Start(); !errors.Is(err, ErrClosed) {
		t.Errorf("start after close: %v", err)
	}
}

func TestStandardInputIsNull(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), nil, "stdin")
	s.Start()
	waitOutput(t, j, "INFO stdin 0 bytes, error <nil>, device true")
}

func TestEnvironment(t *testing.T) {
	t.Setenv("FIRST", "inherited")
	t.Setenv("SECOND", "inherited")
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	s, j := supervisor(t, t.TempDir(), func(c *Config) { c.Env = append(slices.Clone(c.Env), "SECOND=own") }, "env")
	s.Start()
	waitOutput(t, j, `INFO env FIRST="inherited" SECOND="own" NOTIFY_SOCKET=""`)
}

func TestLongLineIsCut(t *testing.T) {
	s, j := supervisor(t, t.TempDir(), nil, "long")
	s.Start()
	waitOutput(t, j, "INFO after server=s1")
	want := "INFO " + strings.Repeat("x", maxLine) + " server=s1 cut_bytes=1000"
	if got := j.find("INFO xxx"); got != want {
		t.Errorf("logged %d bytes, ending in %q", len(got), got[max(0, len(got)-40):])
	}
}

// TestConfigure: a changed command is for the next start and said to be one.
func TestConfigure(t *testing.T) {
	dir := t.TempDir()
	s, j := supervisor(t, dir, nil, "serve", "old")
	s.Start()
	pid := s.State().PID
	cfg := Config{Name: "s1", Command: []string{os.Args[0], "serve", "old"}, Env: childEnv, StateDir: dir}
	if outdated, err := s.Configure(cfg); outdated || err != nil {
		t.Errorf("the same command: outdated %v, %v", outdated, err)
	}
	cfg.Logger = j.logger()
	cfg.Command[2] = "new"
	if outdated, err := s.Configure(cfg); !outdated || err != nil {
		t.Errorf("another command: outdated %v, %v", outdated, err)
	}
	if s.State().PID != pid {
		t.Error("configuring restarted the process")
	}
	if err := s.Restart(within(t)); err != nil {
		t.Fatal(err)
	}
	waitOutput(t, j, "INFO serving new")
	cfg.Name = "s2"
	if _, err := s.Configure(cfg); err == nil {
		t.Error("another name was taken")
	}
	if _, err := s.Configure(Config{}); err == nil {
		t.Error("an empty configuration was taken")
	}
}

// TestConcurrentUse calls everything at once; the race detector and goleak judge.
func TestConcurrentUse(t *testing.T) {
	s, _ := supervisor(t, t.TempDir(), func(c *Config) { c.FatalAfter = 1000 }, "serve")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { s.Start() })
		wg.Go(func() { s.Restart(within(t)) })
		wg.Go(func() { s.Replace(within(t), 0, "test") })
		wg.Go(func() { s.Stop(within(t)) })
		wg.Go(func() { s.StopFast(within(t), 0) })
		wg.Go(func() { _, cancel := s.Changes(); s.State(); cancel() })
	}
	wg.Wait()
	if err := s.Restart(within(t)); err != nil {
		t.Fatal(err)
	}
	if got := s.State(); got.State != Running || !alive(got.PID) {
		t.Errorf("in the end: %+v", got)
	}
}
