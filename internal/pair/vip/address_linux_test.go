package vip

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/omflow/booster/internal/testbed/observe"
)

// namespace has the rest of the test run in a network namespace of its own, in
// which two interfaces, here and there, are one cable.
func namespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("there is no ip command")
	}
	// Never unlocked: the thread ends with the test, and its namespace too.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace: %v", err)
	}
	for _, args := range []string{
		"link set lo up",
		"link add here type veth peer name there",
		"link set there up", "link set here up",
		"addr add 10.1.0.1/24 dev here",
		"addr add 2001:db8::1/64 dev here nodad",
	} {
		ip(t, args)
	}
}

func ip(t *testing.T, args string) string {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
	return string(out)
}

// That an address is off is said only when it is: a process without a file descriptor
// left can't tell.
func TestTakeOffWithoutDescriptors(t *testing.T) {
	there := &Address{cfg: Config{Prefix: netip.MustParsePrefix("10.1.0.10/24"), Interface: "lo"}}
	gone := &Address{cfg: Config{Prefix: netip.MustParsePrefix("10.1.0.10/24"), Interface: "none"}}
	if was, err := gone.TakeOff(); was || err != nil {
		t.Errorf("of an interface that does not exist: %v, %v", was, err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	was, err := there.TakeOff()
	if rerr := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); rerr != nil {
		t.Fatal(rerr)
	}
	if was || !errors.Is(err, unix.EMFILE) {
		t.Errorf("without a file descriptor: %v, %v", was, err)
	}
}

func open(t *testing.T, cidr string) *Address {
	t.Helper()
	c, err := Parse(cidr, "here")
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func do(t *testing.T, acts ...func() error) {
	t.Helper()
	for _, act := range acts {
		if err := act(); err != nil {
			t.Fatal(err)
		}
	}
}

// lifetime is what is left of Lifetime by the time that the kernel is asked.
var lifetime = regexp.MustCompile(`valid_lft [1-5]sec`)

func TestAddAndRemove(t *testing.T) {
	namespace(t)
	for _, cidr := range []string{"10.1.0.10/24", "192.0.2.1/32", "2001:db8::10/64"} {
		a := open(t, cidr)
		do(t, a.Remove, a.Add, a.Add)
		found := false
		for line := range strings.Lines(ip(t, "-o addr show dev here")) {
			found = found || strings.Contains(line, " "+cidr+" ") && lifetime.MatchString(line) && !strings.Contains(line, "tentative")
		}
		if !found {
			t.Errorf("%s was added: %s", cidr, ip(t, "addr show dev here"))
		}
		// It serves at once.
		ln, err := net.Listen("tcp", net.JoinHostPort(a.cfg.Prefix.Addr().String(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		do(t, a.Remove, a.Remove)
		if text := ip(t, "addr show dev here"); strings.Contains(text, cidr) {
			t.Errorf("%s was removed: %s", cidr, text)
		}
	}
	// What is not added again goes by itself.
	a := open(t, "10.1.0.10/24")
	do(t, a.Add)
	for began := time.Now(); strings.Contains(ip(t, "addr show dev here"), "10.1.0.10"); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > Lifetime+5*time.Second {
			t.Fatal("the address stays for ever")
		}
	}
	// A cable that is gone.
	ip(t, "link del here")
	if err := a.Add(); err == nil {
		t.Error("added to no interface")
	}
	if err := a.Announce(); err == nil {
		t.Error("announced on no interface")
	}
	do(t, a.Remove)
}

func TestAnnounce(t *testing.T) {
	namespace(t)
	here, err := net.InterfaceByName("here")
	if err != nil {
		t.Fatal(err)
	}
	there, err := net.InterfaceByName("there")
	if err != nil {
		t.Fatal(err)
	}
	mac := here.HardwareAddr
	conn, err := packet.Listen(there, packet.Raw, unix.ETH_P_ALL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for cidr, want := range map[string][][]byte{
		"10.1.0.10/24": {
			join(broadcast, mac, []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1}, mac, []byte{10, 1, 0, 10}, make([]byte, 6), []byte{10, 1, 0, 10}),
			join(broadcast, mac, []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 2}, mac, []byte{10, 1, 0, 10}, broadcast, []byte{10, 1, 0, 10}),
		},
		"2001:db8::10/64": {
			// The hop limit, sender and receiver, and from behind the checksum on.
			join([]byte{255}, addr("2001:db8::10"), addr("ff02::1"), []byte{136, 0}),
			join([]byte{0x20, 0, 0, 0}, addr("2001:db8::10"), []byte{2, 1}, mac),
		},
	} {
		a := open(t, cidr)
		do(t, a.Add, a.Announce)
		buf := make([]byte, 2000)
		for len(want) > 0 {
			if err := conn.SetReadDeadline(time.Now().Add(observe.Patience)); err != nil {
				t.Fatal(err)
			}
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				t.Fatalf("%s: not announced by %x: %v", cidr, want[0], err)
			}
			for len(want) > 0 && bytes.Contains(buf[:n], want[0]) {
				want = want[1:]
			}
		}
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func addr(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

func TestOpenRefuses(t *testing.T) {
	namespace(t)
	for iface, want := range map[string]string{"nowhere": "nowhere", "lo": "Ethernet"} {
		c, err := Parse("10.1.0.10/24", iface)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Open(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("on %s: %v", iface, err)
		}
	}
	for bit, name := range map[int]string{unix.CAP_NET_ADMIN: "CAP_NET_ADMIN", unix.CAP_NET_RAW: "CAP_NET_RAW"} {
		var data [2]unix.CapUserData
		header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capget(header, &data[0]); err != nil {
			t.Fatal(err)
		}
		before := data
		data[0].Effective &^= 1 << bit
		if err := unix.Capset(header, &data[0]); err != nil {
			t.Fatal(err)
		}
		_, err := Config{netip.MustParsePrefix("10.1.0.10/24"), "here"}.Open()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
		if err := unix.Capset(header, &before[0]); err != nil {
			t.Fatal(err)
		}
	}
}

// An answer that came too late for what it was to is not taken for the next one's.
func TestAfterALateAnswer(t *testing.T) {
	namespace(t)
	a := open(t, "10.1.0.10/24")
	dev, err := a.device()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.conn.Send(a.message(dev.Index), unix.RTM_NEWADDR, netlink.Request|netlink.Acknowledge|netlink.Create); err != nil {
		t.Fatal(err)
	}
	if err := a.Add(); err == nil {
		t.Error("there was no answer left over")
	}
	do(t, a.Add, a.Remove)
}
