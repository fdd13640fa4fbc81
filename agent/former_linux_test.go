package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/omflow/booster/internal/procfs"
	"github.com/omflow/booster/internal/supervise"
	"github.com/omflow/booster/internal/testbed/observe"
)

// record is where the process is written down of the server of that name.
func (b *bed) record(name string) string { return filepath.Join(serversDir(b.dir), name, "server.pid") }

// hash is what is written down of this server's command, by an agent of that name.
func (b *bed) hash(name string) string {
	b.t.Helper()
	a := b.agent(nil)
	if err := a.start(b.dir, name, a.settings(b.to, name)); err != nil {
		b.t.Fatal(err)
	}
	b.to.wait(b.t, "up", up)
	text, err := os.ReadFile(b.record(name))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		b.t.Fatal(err)
	}
	var record struct {
		Command string `json:"command"`
	}
	if err := json.Unmarshal(text, &record); err != nil || record.Command == "" {
		b.t.Fatalf("%s: %v", text, err)
	}
	return record.Command
}

// leave has a server run as an agent of that name leaves it that was killed, and returns its
// process.
func (b *bed) leave(name, hash string) (pid int) {
	b.t.Helper()
	cmd := exec.Command(os.Args[0], "child-web", b.server)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	pid = cmd.Process.Pid
	b.t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	stat, err := procfs.ReadStat(pid)
	if err != nil {
		b.t.Fatal(err)
	}
	record, err := json.Marshal(map[string]any{"pid": pid, "start": stat.Start, "boot": procfs.BootID(), "command": hash})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(b.record(name)), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.record(name), record, 0o600); err != nil {
		b.t.Fatal(err)
	}
	observe.Eventually(b.t, "the server that was left", func() bool {
		conn, err := net.Dial("tcp", b.server)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return pid
}

// TestFormerName: a node has another name since its agent was started anew, and the server
// has gone on under the former one.
func TestFormerName(t *testing.T) {
	b := newBed(t)
	left := b.leave("s0", b.hash("s0"))
	b.start(b.agent(nil), nil)
	r := b.to.wait(t, "up", upWithout(left))
	if alive(left) {
		t.Error("two servers run")
	}
	if !alive(r.PID) || r.Restarts != 0 {
		t.Errorf("it was begun before the port was free: %+v", r)
	}
}

// TestFormerIsGone: a server that has ended under a former name is looked for once.
func TestFormerIsGone(t *testing.T) {
	b := newBed(t)
	left := b.leave("s0", b.hash("s0"))
	if err := syscall.Kill(left, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "it has ended", func() bool {
		stat, err := procfs.ReadStat(left)
		return err != nil || stat.Ended()
	})
	b.start(b.agent(nil), nil)
	b.to.wait(t, "up", up)
	if _, err := os.Stat(b.record("s0")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still on record: %v", err)
	}
}

// TestOthersServerIsLeftAlone: another server whose agent has the same state folder is not
// ended, nor is one that is this agent's by all appearance and another's in truth, as before
// the end of a reload.
func TestOthersServerIsLeftAlone(t *testing.T) {
	b, other := newBed(t), newBed(t)
	other.dir = b.dir
	left := []int{other.leave("s2", other.hash("s2"))}
	other = newBed(t)
	other.dir = b.dir
	left = append(left, other.leave("s0", b.hash("s0")))
	holder, err := supervise.New(supervise.Config{Name: "s0", Command: []string{"true"}, StateDir: filepath.Dir(b.record("s0"))})
	if err != nil {
		t.Fatal(err)
	}
	b.start(b.agent(nil), nil)
	b.to.wait(t, "up", up)
	for _, pid := range left {
		if !alive(pid) {
			t.Error("another agent's server was ended")
		}
	}
	if err := holder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
