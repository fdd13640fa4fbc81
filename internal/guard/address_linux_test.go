package guard

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/pair/vip"
	"github.com/omflow/booster/internal/testbed/observe"
)

var virtual = vip.Config{Prefix: netip.MustParsePrefix("10.1.0.10/24"), Interface: "here"}

// addressLease is how long the tests' holder may have the address, long enough for a
// machine that is busy.
const addressLease = 2 * time.Second

func addressConfig() AddressConfig {
	c := config("/unused")
	return AddressConfig{Address: virtual, Exe: c.Exe, Env: c.Env}
}

// holdAddress is a process that holds the address until it is stopped.
func holdAddress() {
	g, err := StartAddress(addressConfig())
	check(err)
	a, err := virtual.Open()
	check(err)
	for first := true; ; first = false {
		check(g.Extend(boottime.Now() + addressLease))
		err := a.Add()
		for try := 1; err != nil && try < 5; try++ { // the machine stood still meanwhile
			err = a.Add()
		}
		check(err)
		if first {
			fmt.Println("held")
		}
		select {
		case <-g.Removed():
		case <-time.After(addressLease / 4):
		}
	}
}

// namespace has the rest of the test, and processes that it starts, run in a
// network namespace of its own.
func namespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("there is no ip command")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace: %v", err)
	}
	for _, args := range []string{"link add here type veth peer name there", "link set here up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
}

func hasAddress(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("ip", "-o", "addr", "show", "dev", "here").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(out), virtual.Prefix.Addr().String()+"/")
}

// The address of a booster that was killed goes at once, that of one that
// stands still when its time has run out, and it comes back when that one goes
// on and may have it.
func TestAddressOfALostHolder(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			namespace(t)
			holder, took := lose(t, signal)
			// The guard does it before the kernel would by itself, but on a machine that is
			// too busy to tell.
			for try := 1; took > vip.Lifetime-addressLease; try++ {
				if try == 3 {
					t.Fatalf("the address stays for %v", took)
				}
				if err := holder.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				holder, took = lose(t, signal)
			}
			t.Logf("gone after %v", took)
			if signal == syscall.SIGSTOP {
				if took < addressLease/2 {
					t.Errorf("taken off after %v, with %v to go", took, addressLease)
				}
				if err := holder.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				observe.Eventually(t, "the address comes back", func() bool { return hasAddress(t) })
			}
		})
	}
}

// lose sends a signal to a holder that has had the address for a while, and returns how
// long it stays then.
func lose(t *testing.T, signal syscall.Signal) (holder *exec.Cmd, took time.Duration) {
	t.Helper()
	holder, _ = process(t, "address")
	for until := time.Now().Add(2 * addressLease); time.Now().Before(until); {
		if !hasAddress(t) {
			t.Fatal("the address was taken off while its time was extended")
		}
	}
	lost := time.Now()
	if err := holder.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the address is gone", func() bool { return !hasAddress(t) })
	return holder, time.Since(lost)
}

func TestAddressGuardIsLost(t *testing.T) {
	namespace(t)
	a, err := virtual.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	g, err := StartAddress(addressConfig())
	if err != nil {
		t.Fatal(err)
	}
	add := func(d time.Duration) {
		t.Helper()
		observe.Eventually(t, "a guard is there", func() bool { return g.Extend(boottime.Now()+d) == nil })
		if err := a.Add(); err != nil {
			t.Fatal(err)
		}
	}
	add(time.Minute)
	guard := processOf(t, kindAddress, virtual.Prefix.String(), virtual.Interface)
	if err := unix.Kill(guard, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-g.Removed()
	// By another guard, and only once the address is there: what is added after its
	// time was up is not that guard's to take off.
	add(time.Minute)
	if err := g.Extend(boottime.Now() + 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	<-g.Removed()
	if hasAddress(t) {
		t.Error("the guard says that it has taken the address off")
	}
	// What is released is the holder's to remove.
	add(time.Minute)
	if err := g.Extend(0); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if !hasAddress(t) {
		t.Error("a guard that guards nothing has taken the address off")
	}
	if err := g.Extend(1); err == nil {
		t.Error("a closed guard is extended")
	}
	if len(g.Removed()) != 0 {
		t.Error("told of a removal after the end")
	}
}

func TestStartAddressRefuses(t *testing.T) {
	namespace(t)
	for what, change := range map[string]func(*AddressConfig){
		"no address":   func(c *AddressConfig) { c.Address = vip.Config{} },
		"no interface": func(c *AddressConfig) { c.Address.Interface = "nowhere" },
		"no program":   func(c *AddressConfig) { c.Exe = "/bin/false" },
		"relative":     func(c *AddressConfig) { c.Exe = "false" },
	} {
		c := addressConfig()
		change(&c)
		if _, err := StartAddress(c); err == nil {
			t.Errorf("%s: a guard is started", what)
		}
	}
}
