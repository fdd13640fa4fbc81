//go:build linux

package guard

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/procfs"
)

// modeEnv makes the test binary one of the processes of a test. The race
// detector would keep it for a second after its end.
const modeEnv = "GUARD_TEST_MODE"

func TestMain(m *testing.M) {
	args := os.Args[1:]
	switch os.Getenv(modeEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case "guard":
		os.Exit(Main(args))
	case "server": // with a process of its own in its group, deaf to TERM
		signal.Ignore(syscall.SIGTERM)
		check(exec.Command("sleep", "1000").Start())
		fmt.Println(os.Getpid())
		forever()
	case "address":
		holdAddress()
	case "holder": // holds a server that runs, again and again, until it is stopped
		pid, err := strconv.Atoi(args[1])
		check(err)
		lead, err := OpenLead(config(args[0]))
		check(err)
		stat, err := procfs.ReadStat(pid)
		check(err)
		for {
			check(lead.Hold(pid, stat.Start, hold))
			fmt.Println("held")
			time.Sleep(hold / 10)
		}
	}
}

// hold is the lease of the tests' holders, long enough for a machine that is busy.
const hold = 2 * time.Second

func config(file string) LeadConfig {
	return LeadConfig{File: file, Exe: os.Args[0], Env: []string{modeEnv + "=guard", "GORACE=atexit_sleep_ms=0"}}
}

// forever is no empty select: the runtime would call that a deadlock.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process starts the test binary in a mode, reads the first line that it says
// and kills its group in the end.
func process(t *testing.T, mode string, args ...string) (cmd *exec.Cmd, said string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), modeEnv+"="+mode, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscanln(out, &said); err != nil {
		t.Fatalf("%s says nothing: %v", mode, err)
	}
	return cmd, said
}

// server starts one and returns its number and start time.
func server(t *testing.T) (pid int, start uint64) {
	t.Helper()
	cmd, _ := process(t, "server")
	stat, err := procfs.ReadStat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, stat.Start
}

// open opens a lead guard's file; its guard is gone at the test's end.
func open(t *testing.T) *Lead {
	t.Helper()
	lead, err := OpenLead(config(filepath.Join(t.TempDir(), "lead.guard")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lead.Release(); err != nil {
			t.Error(err)
		}
		if err := lead.Close(); err != nil {
			t.Error(err)
		}
		lead.guards.Wait()
	})
	return lead
}

func lives(pid int) bool { return procfs.GroupLives(pid) }

func guarded(t *testing.T, l *Lead) bool {
	t.Helper()
	there, err := l.guarded()
	if err != nil {
		t.Fatal(err)
	}
	return there
}
