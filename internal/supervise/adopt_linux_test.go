package supervise

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/procfs"
	"github.com/omflow/booster/internal/testbed/observe"
)

// crash runs an agent in a process of its own, lets it start a server in the
// given mode, kills the agent, and returns the server's record. The agent has a session of
// its own, as systemd gives it: that of the tests may be 0, not known.
func crash(t *testing.T, dir string, mode ...string) record {
	t.Helper()
	agent := exec.Command(os.Args[0], append([]string{"agent", dir, os.Args[0]}, mode...)...)
	agent.Env = append(os.Environ(), childEnv...)
	agent.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	var stderr bytes.Buffer
	agent.Stderr = &stderr
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	var r record
	observe.Eventually(t, "the agent's server", func() bool {
		out, _ := os.ReadFile(filepath.Join(dir, "server.log"))
		var ok bool
		r, ok, _ = loadRecord(dir)
		return ok && bytes.Contains(out, []byte("serving"))
	})
	agent.Process.Kill()
	agent.Wait()
	if !alive(r.PID) {
		t.Fatalf("the server died with its agent: %s", &stderr)
	}
	t.Cleanup(func() { unix.Kill(-r.PID, unix.SIGKILL) })
	return r
}

func TestAdoption(t *testing.T) {
	dir := t.TempDir()
	before := time.Now()
	left := crash(t, dir, "serve", "x")
	after := time.Now()
	if pid, err := Recorded(dir); pid != left.PID || err != nil {
		t.Errorf("on record: %d, %v", pid, err)
	}
	const slack = 5 * clockTick
	observe.Eventually(t, "it is old enough for its age to tell", func() bool { return time.Since(after) > 4*slack })
	s, j := supervisor(t, dir, func(c *Config) { c.Stamp = func() string { return "of this one" } }, "serve", "x")
	s.Start()
	got := s.State()
	if got.State != Running || got.PID != left.PID || !got.Adopted || got.Stamp != "of the agent before" {
		t.Fatalf("adopted: %+v, want pid %d", got, left.PID)
	}
	if got.Since.Before(before.Add(-slack)) || got.Since.After(after.Add(slack)) {
		t.Errorf("since %s, and it was started between %s and %s", got.Since, before, after)
	}
	if j.find("serving") != "" {
		t.Error("what it wrote before the adoption was logged")
	}

	unix.Kill(left.PID, unix.SIGKILL) // its end is noticed though it is no child
	observe.Eventually(t, "a restart", func() bool {
		now := s.State()
		return now.State == Running && now.PID != left.PID && now.Restarts == 1 && !now.Adopted && now.Stamp == "of this one"
	})
	waitOutput(t, j, "INFO serving x")
}

func TestAdoptedIsStopped(t *testing.T) {
	dir := t.TempDir()
	left := crash(t, dir, "serve")
	s, j := supervisor(t, dir, nil, "serve")
	s.Start()
	if err := s.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	if alive(left.PID) || s.State().State != Stopped {
		t.Errorf("process lives: %v, %+v", alive(left.PID), s.State())
	}
	if j.find("INFO bye") == "" {
		t.Error("the adopted process' output is not followed")
	}
}

// TestStopFindsWhatWasLeft: Stop without Start ends the left process too.
func TestStopFindsWhatWasLeft(t *testing.T) {
	dir := t.TempDir()
	left := crash(t, dir, "serve")
	s, _ := supervisor(t, dir, nil, "serve")
	if err := s.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	if alive(left.PID) {
		t.Error("the process lives")
	}
}

func TestOtherCommandIsNotAdopted(t *testing.T) {
	dir := t.TempDir()
	left := crash(t, dir, "serve", "old")
	s, j := supervisor(t, dir, nil, "serve", "new")
	s.Start()
	waitOutput(t, j, "INFO serving new")
	if got := s.State(); alive(left.PID) || got.PID == left.PID || got.Adopted {
		t.Errorf("old process lives: %v, %+v", alive(left.PID), got)
	}
}

// TestForeignProcessIsLeftAlone: the pid in server.pid has gone to a stranger.
func TestForeignProcessIsLeftAlone(t *testing.T) {
	stranger := exec.Command(os.Args[0], "leaf")
	stranger.Env = append(os.Environ(), childEnv...)
	stranger.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()
	defer stranger.Process.Kill()
	st, err := procfs.ReadStat(stranger.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*record){
		"another start time": func(r *record) { r.Start-- },
		"another boot":       func(r *record) { r.Boot = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, _ := supervisor(t, dir, nil, "serve")
			cfg := Config{Command: []string{os.Args[0], "serve"}, Env: childEnv}
			r := record{PID: stranger.Process.Pid, Start: st.Start, Boot: procfs.BootID(), Hash: cfg.hash()}
			change(&r)
			if err := r.save(dir); err != nil {
				t.Fatal(err)
			}
			s.Start()
			if got := s.State(); got.State != Running || got.PID == r.PID || got.Adopted {
				t.Errorf("started: %+v", got)
			}
			if err := s.Stop(within(t)); err != nil {
				t.Fatal(err)
			}
			if !alive(stranger.Process.Pid) {
				t.Error("the stranger was killed")
			}
		})
	}
}

// TestRecordIsWrittenLater: on a disk that is full server.pid can't be written at first.
func TestRecordIsWrittenLater(t *testing.T) {
	dir := t.TempDir()
	inTheWay := recordPath(dir) + ".new"
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	s, j := supervisor(t, dir, nil, "serve")
	s.Start()
	if j.find("ERROR the server could not be adopted") == "" {
		t.Fatal("it is not said that server.pid can't be written")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	var r record
	observe.Eventually(t, "server.pid", func() (ok bool) { r, ok, _ = loadRecord(dir); return ok })
	if got := s.State(); r.PID != got.PID || got.State != Running {
		t.Errorf("server.pid names %d; %+v", r.PID, got)
	}
}

// TestWatchWithoutPidfd: the look into /proc does for old kernels.
func TestWatchWithoutPidfd(t *testing.T) {
	cmd := exec.Command(os.Args[0], "leaf")
	cmd.Env = append(os.Environ(), childEnv...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	st, err := procfs.ReadStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan bool, 1)
	w := &watch{pid: cmd.Process.Pid, start: st.Start, quit: make(chan struct{})}
	go func() { ended <- w.wait() }()
	w.abandon()
	if <-ended {
		t.Error("an abandoned watch says that the process ended")
	}
	w = &watch{pid: cmd.Process.Pid, start: st.Start, quit: make(chan struct{})}
	go func() { ended <- w.wait() }()
	cmd.Process.Kill()
	if !<-ended {
		t.Error("the end was not noticed")
	}
	cmd.Wait()
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s, _ := supervisor(t, dir, nil, "serve")
	cfg := Config{Name: "s1", Command: []string{"x"}, StateDir: dir}
	if _, err := New(cfg); !errors.Is(err, ErrInUse) {
		t.Errorf("a second supervisor: %v", err)
	}
	if err := s.Close(within(t)); err != nil {
		t.Fatal(err)
	}
	again, err := New(cfg)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	again.Close(within(t))
}
