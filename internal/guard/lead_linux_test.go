package guard

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/procfs"
	"github.com/omflow/booster/internal/testbed/observe"
)

// A holder that is killed, or stands still, can't end its server: the guard
// does, at the deadline and not before, with all that the server has started.
func TestHolderIsLost(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			lead := open(t) // only to look
			pid, _ := server(t)
			holder, _ := process(t, "holder", lead.cfg.File, strconv.Itoa(pid))
			// Longer than one lease: it is the renewals that keep the server.
			for until := time.Now().Add(2 * hold); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
				if !lives(pid) {
					t.Fatal("the server was killed while its lease was renewed")
				}
			}
			lost := time.Now()
			if err := holder.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			observe.Eventually(t, "the server and what it started are killed", func() bool { return !lives(pid) })
			// The last renewal is at most a tenth of the lease old, and a machine
			// under load is late.
			if d := time.Since(lost); d < hold/2 || d > hold+10*time.Second {
				t.Errorf("killed %v after the holder was lost, with a lease of %v", d, hold)
			}
			observe.Eventually(t, "the guard ends", func() bool { return !guarded(t, lead) })
		})
	}
}

func TestReleaseAndPrepare(t *testing.T) {
	lead := open(t)
	pid, start := server(t)
	if err := lead.Prepare(); err != nil {
		t.Fatal(err)
	}
	if !guarded(t, lead) {
		t.Fatal("prepared, and there is no guard")
	}
	begun := time.Now()
	if err := lead.Hold(pid, start, hold); err != nil {
		t.Fatal(err)
	}
	if err := lead.Prepare(); err != nil { // as an agent that comes back may do
		t.Fatal(err)
	}
	if r, err := readRecord(lead.cfg.File); err != nil || r.state != held {
		t.Errorf("preparing has overwritten what is held: %+v, %v", r, err)
	}
	if err := lead.Release(); err != nil {
		t.Fatal(err)
	}
	if guarded(t, lead) {
		t.Error("released, and there is a guard")
	}
	if err := lead.Prepare(); err != nil {
		t.Fatal(err)
	}
	if !guarded(t, lead) {
		t.Error("prepared again, and there is no guard")
	}
	observe.Eventually(t, "the lease would be over", func() bool { return time.Since(begun) > hold+3*lookEvery })
	if !lives(pid) {
		t.Fatal("a released server was killed")
	}
}

// processOf returns the number of the process whose last arguments these are.
func processOf(t *testing.T, args ...string) (pid int) {
	t.Helper()
	observe.Eventually(t, "the guard runs", func() bool {
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range all {
			line, err := os.ReadFile(file)
			if err == nil && strings.HasSuffix(string(line), "\x00"+strings.Join(args, "\x00")+"\x00") {
				pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(file)))
				return true
			}
		}
		return false
	})
	return pid
}

// A guard that was killed is replaced at the next renewal; one that was killed
// together with the holder, by the holder that comes next.
func TestGuardIsLost(t *testing.T) {
	lead := open(t)
	pid, start := server(t)
	killGuard := func() {
		t.Helper()
		guard := processOf(t, kindLead, lead.cfg.File)
		// What a service manager sends to the rest of a crashed unit.
		if err := unix.Kill(guard, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // not to wait for something: to give it the chance to end
		if !guarded(t, lead) {
			t.Fatal("the guard ends when it is asked to")
		}
		if err := unix.Kill(guard, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		observe.Eventually(t, "the guard is gone", func() bool { return !guarded(t, lead) })
	}
	if err := lead.Hold(pid, start, time.Minute); err != nil {
		t.Fatal(err)
	}
	killGuard()
	if err := lead.Hold(pid, start, time.Minute); err != nil {
		t.Fatal(err)
	}
	killGuard()
	next, err := OpenLead(lead.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer next.guards.Wait()
	defer next.Close()
	if err := next.Hold(pid, start, 0); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the server is killed", func() bool { return !lives(pid) })
}

// A process that has the number of the one that is held is no target.
func TestStrangerIsLeftAlone(t *testing.T) {
	lead := open(t)
	pid, start := server(t)
	if err := lead.Hold(pid, start+1, 0); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the guard ends", func() bool { return !guarded(t, lead) })
	if !lives(pid) {
		t.Fatal("a stranger was killed")
	}
	// Nor is one of before the last boot.
	if err := lead.write(record{state: held, pid: pid, start: start, boot: lead.boot + 1}); err != nil {
		t.Fatal(err)
	}
	g := leadGuard{file: lead.cfg.File, boot: lead.boot, log: lead.cfg.Logger}
	g.run()
	if !lives(pid) {
		t.Fatal("a process of another boot was killed")
	}
}

// watched waits until the guard has read what it is to guard, or has ended it.
func watched(t *testing.T, l *Lead, pid int) {
	t.Helper()
	guard := processOf(t, kindLead, l.cfg.File)
	observe.Eventually(t, "the guard watches", func() bool {
		fds, _ := filepath.Glob("/proc/" + strconv.Itoa(guard) + "/fd/*")
		return !lives(pid) || slices.ContainsFunc(fds, func(fd string) bool {
			to, err := os.Readlink(fd)
			return err == nil && to == "anon_inode:[pidfd]"
		})
	})
	// It may still be finding out whether that process lives. When it looks into its file
	// again, it has.
	looks, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(looks)
	if _, err := unix.InotifyAddWatch(looks, l.cfg.File, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the guard looks again", func() bool {
		n, _ := unix.Read(looks, make([]byte, 4096))
		return n > 0 || !lives(pid)
	})
}

// What a server has started may outlive it until the deadline, and no longer: it may
// have been asked to end as well, and be at work still.
func TestServerEndsFirst(t *testing.T) {
	lead := open(t)
	pid, start := server(t)
	begun := time.Now()
	if err := lead.Hold(pid, start, hold); err != nil {
		t.Fatal(err)
	}
	watched(t, lead, pid)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "what it has started is killed", func() bool { return !lives(pid) })
	if d := time.Since(begun); d < hold {
		t.Errorf("killed after %v, with a lease of %v", d, hold)
	}
	observe.Eventually(t, "the guard ends", func() bool { return !guarded(t, lead) })
}

// What a server has left is killed at once when its holder has the next one guarded, or
// none any more, however long its lease would last.
func TestNextServerEndsTheRest(t *testing.T) {
	for name, next := range map[string]func(*testing.T, *Lead) error{
		"prepared": func(_ *testing.T, l *Lead) error { return l.Prepare() },
		"held": func(t *testing.T, l *Lead) error {
			pid, start := server(t)
			return l.Hold(pid, start, time.Minute)
		},
		"released": func(_ *testing.T, l *Lead) error { return l.Release() },
	} {
		t.Run(name, func(t *testing.T) {
			lead := open(t)
			pid, start := server(t)
			if err := lead.Hold(pid, start, time.Minute); err != nil {
				t.Fatal(err)
			}
			watched(t, lead, pid)
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			observe.Eventually(t, "the server has ended", func() bool { return !alive(record{pid: pid, start: start}) })
			if err := next(t, lead); err != nil {
				t.Fatal(err)
			}
			observe.Eventually(t, "what it has started is killed", func() bool { return !lives(pid) })
		})
	}
}

func TestDamagedFileKeepsTheDeadline(t *testing.T) {
	lead := open(t)
	pid, start := server(t)
	if err := lead.Hold(pid, start, hold); err != nil {
		t.Fatal(err)
	}
	watched(t, lead, pid)
	if err := os.WriteFile(lead.cfg.File, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the server is killed at the last deadline that could be read", func() bool { return !lives(pid) })
}

func TestSecondGuardEnds(t *testing.T) {
	lead := open(t)
	if err := lead.Prepare(); err != nil {
		t.Fatal(err)
	}
	said := false
	if err := guardLead(lead.cfg.File, lead.cfg.Logger, func() { said = true }); err != nil || !said {
		t.Errorf("a second guard: %v, ready %v", err, said)
	}
}

func TestRefusals(t *testing.T) {
	for what, c := range map[string]LeadConfig{
		"relative file":    {File: "x", Exe: "/x"},
		"relative program": {File: "/x", Exe: "x"},
		"no folder":        {File: filepath.Join(t.TempDir(), "no", "x"), Exe: "/x"},
	} {
		if _, err := OpenLead(c); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	lead := open(t)
	stat, err := procfs.ReadStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]func() error{
		"everybody": func() error { return lead.Hold(1, stat.Start, 0) },
		"no start":  func() error { return lead.Hold(os.Getpid(), 0, 0) },
		"too long":  func() error { return lead.Hold(os.Getpid(), stat.Start, 2*maxHold) },
	} {
		if err := try(); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	bad := lead.cfg
	bad.Exe = "/bin/false"
	l, err := OpenLead(bad)
	if err != nil {
		t.Fatal(err)
	}
	defer l.guards.Wait()
	defer l.Close()
	if err := l.Prepare(); err == nil {
		t.Error("a guard that ends at once is taken for one")
	}
	if code := Main([]string{"nothing"}); code != 2 {
		t.Errorf("unknown arguments end with %d", code)
	}
}
