package supervise

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/procfs"
	"github.com/omflow/booster/internal/testbed/observe"
)

// halve leaves of a server, whose agent was killed, only the second process, and returns
// that and the first one's record.
func halve(t *testing.T, dir string) (left record, second int) {
	t.Helper()
	left = crash(t, dir, "team")
	observe.Eventually(t, "the second process", func() bool {
		out, _ := os.ReadFile(filepath.Join(dir, "server.log"))
		_, line, ok := strings.Cut(string(out), "slow ")
		number, _, whole := strings.Cut(line, "\n")
		second, _ = strconv.Atoi(number)
		return ok && whole
	})
	if err := unix.Kill(left.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the first process has ended", func() bool { return !alive(left.PID) })
	if !alive(second) {
		t.Fatal("the second process has ended with the first")
	}
	return left, second
}

// TestRestIsEnded: what a server has left, which has lost its first process while no agent
// was there, is ended before another is started.
func TestRestIsEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		act   func(*Supervisor) error
		state State // in the end
	}{
		"start": {(*Supervisor).Start, Running},
		"adopt": {func(s *Supervisor) error {
			found, outdated, err := s.Adopt()
			if !found || outdated {
				err = fmt.Errorf("found %t, outdated %t, %w", found, outdated, err)
			}
			return err
		}, Stopped},
		"stop":    {func(s *Supervisor) error { return s.Stop(within(t)) }, Stopped},
		"restart": {func(s *Supervisor) error { return s.Restart(within(t)) }, Running},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			left, second := halve(t, dir)
			s, j := supervisor(t, dir, nil, "team")
			if err := tt.act(s); err != nil {
				t.Fatal(err)
			}
			got := waitState(t, s, tt.state)
			if alive(second) {
				t.Errorf("%+v, and the second process lives", got)
			}
			if got.PID == left.PID || got.Adopted {
				t.Errorf("what was left is taken for the server: %+v", got)
			}
			waitOutput(t, j, "INFO asked")
			if r, ok, err := loadRecord(dir); err != nil || ok != (tt.state == Running) || ok && r.PID != got.PID {
				t.Errorf("on record: %+v, %t, %v; %+v", r, ok, err, got)
			}
		})
	}
}

// orphan starts a process group, ends its first process, and returns that and the one that
// is left. Their session is their own: the one that the tests run in is 0,
// not known, in a container that was entered from outside.
func orphan(t *testing.T) (gone record, left int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "orphaning")
	cmd.Env = append(os.Environ(), childEnv...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(line, "leaf %d", &left); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	stat, err := procfs.ReadStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	session, err := unix.Getsid(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	cfg := Config{Command: []string{os.Args[0], "serve"}, Env: childEnv}
	return record{PID: cmd.Process.Pid, Start: stat.Start, Session: session, Boot: procfs.BootID(), Hash: cfg.hash()}, left
}

// TestStrangersRestIsLeftAlone: a group that has the id of a server's which is gone is ended
// only if it surely is that server's.
func TestStrangersRestIsLeftAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*record)
		ours   bool
		told   bool // that it may hold the port
	}{
		"ours":                  {change: func(*record) {}, ours: true},
		"another session":       {change: func(r *record) { r.Session++ }, told: true},
		"session not known":     {change: func(r *record) { r.Session = 0 }, told: true},
		"older than the server": {change: func(r *record) { r.Start += 100_000 }, told: true},
		"another boot":          {change: func(r *record) { r.Boot = "another" }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r, left := orphan(t)
			tt.change(&r)
			if err := r.save(dir); err != nil {
				t.Fatal(err)
			}
			s, j := supervisor(t, dir, nil, "serve")
			s.Start()
			if got := waitState(t, s, Running); got.PID == r.PID || got.Adopted {
				t.Errorf("started: %+v", got)
			}
			if alive(left) == tt.ours {
				t.Errorf("it lives: %t", alive(left))
			}
			told := j.find("what may hold the server's port is left alone")
			if tt.told != (told != "") || tt.told && !strings.Contains(told, strconv.Itoa(left)) {
				t.Errorf("told: %q", told)
			}
		})
	}
}

// TestRecordOfNobodyIsRemoved: a process that is gone is looked for once, and one that may
// not be, again.
func TestRecordOfNobodyIsRemoved(t *testing.T) {
	leaf := exec.Command(os.Args[0], "leaf") // in the test's own group
	leaf.Env = append(os.Environ(), childEnv...)
	if err := leaf.Start(); err != nil {
		t.Fatal(err)
	}
	defer leaf.Wait()
	defer leaf.Process.Kill()
	stat, err := procfs.ReadStat(leaf.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ended := exec.Command(os.Args[0], "stdin")
	ended.Env = leaf.Env
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	lives := record{PID: leaf.Process.Pid, Start: stat.Start, Boot: procfs.BootID()}
	for name, tt := range map[string]struct {
		record record
		kept   bool
	}{
		"ended":              {record: record{PID: ended.Process.Pid, Start: stat.Start, Boot: procfs.BootID()}},
		"another process":    {record: record{PID: lives.PID, Start: lives.Start + 1, Boot: lives.Boot}},
		"another boot":       {record: record{PID: lives.PID, Start: lives.Start, Boot: "another"}},
		"in another's group": {record: lives, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, j := supervisor(t, dir, nil, "serve")
			tt.record.Hash = "x"
			if err := tt.record.save(dir); err != nil {
				t.Fatal(err)
			}
			if pid, err := Recorded(dir); pid != 0 || (err != nil) != tt.kept {
				t.Errorf("process %d is taken for the server, %v", pid, err)
			}
			if found, _, err := s.Adopt(); found || err != nil {
				t.Errorf("found: %t, %v", found, err)
			}
			if _, ok, err := loadRecord(dir); ok != tt.kept || err != nil {
				t.Errorf("on record: %t, %v", ok, err)
			}
			if tt.kept != (j.find("WARN a server that may still run") != "") {
				t.Errorf("told:\n%s", j)
			}
			if !alive(lives.PID) {
				t.Error("a stranger was ended")
			}
		})
	}
}
