package agent

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/procfs"
	"github.com/omflow/booster/internal/rollout"
)

// TestRestOfTheLead: the lead server has lost its first process while no agent was there.
// What is left of it may fire schedules still: until that is ended the lease is not given
// back.
func TestRestOfTheLead(t *testing.T) {
	b := newBed(t)
	dir := filepath.Dir(b.record("s1"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `trap "" TERM; sleep 1000 & echo $!; wait`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the tests' own session may be 0, not known
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	t.Cleanup(func() { syscall.Kill(-pid, syscall.SIGKILL) })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	stat, err := procfs.ReadStat(pid)
	if err != nil {
		t.Fatal(err)
	}
	session, err := unix.Getsid(pid)
	if err != nil {
		t.Fatal(err)
	}
	record := fmt.Sprintf(`{"pid":%d,"start":%d,"session":%d,"boot":%q,"command":"x"}`, pid, stat.Start, session, procfs.BootID())
	if err := os.WriteFile(b.record("s1"), []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	const grant = 4711
	if err := (keepsake{PID: pid, Part: rollout.Lead, Grant: grant, Until: bootDeadline(rollout.LeaseTime)}).save(dir); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	lives := func() bool { return procfs.GroupLives(pid) }
	if !lives() {
		t.Fatal("all have ended with the first one")
	}
	early := false
	b.to.say(func(ask rollout.Ask) (rollout.Answer, error) {
		if ask.Grant == grant {
			return rollout.Answer{Term: 1, Part: rollout.Lead, Grant: grant}, nil
		}
		early = early || lives()
		return rollout.Answer{Term: 1, Part: rollout.Wait}, nil
	})
	b.start(b.agent(b.omflow()), nil)
	b.to.waitAsk(t, "it has given the lease back", func(a rollout.Ask) bool { return a.Runs == "" && a.Grant == 0 && !lives() })
	b.to.mu.Lock()
	defer b.to.mu.Unlock()
	if early {
		t.Error("it was given back before the end")
	}
}
