//go:build linux

package netns

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/pair"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

const virtualIP = "10.9.0.10"

// network is a bridge with a machine at each port.
type network struct {
	t      *testing.T
	prefix string
	key    string
	nodes  map[string]*running
	// program is the booster, if it was built.
	program string
}

// running is a process on a machine.
type running struct {
	node
	cmd *exec.Cmd
	log *bytes.Buffer
}

// newNetwork makes the namespaces of the machines, whose last numbers are
// given, and removes them at the test's end.
func newNetwork(t *testing.T, machines map[string]int) *network {
	t.Helper()
	if testing.Short() {
		t.Skip("it measures times, for which nothing else must run: make netns")
	}
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("there is no ip command")
	}
	n := &network{t: t, prefix: fmt.Sprintf("ob%d-", os.Getpid()), key: trust.Generate(), nodes: make(map[string]*running)}
	if out, err := exec.Command("ip", "netns", "add", n.prefix+"switch").CombinedOutput(); err != nil {
		t.Skipf("no network namespaces: %v: %s", err, out)
	}
	t.Cleanup(func() {
		for _, r := range n.nodes {
			n.kill(r)
			if t.Failed() {
				t.Logf("log of %s:\n%s", r.Name, r.log)
			}
		}
		for name := range machines {
			n.ip("netns del " + n.prefix + name)
		}
		n.ip("netns del " + n.prefix + "switch")
	})
	n.in("switch", "link add bridge type bridge")
	n.in("switch", "link set bridge up")
	for name, number := range machines {
		n.ip("netns add " + n.prefix + name)
		n.in("switch", fmt.Sprintf("link add port-%s type veth peer name eth0 netns %s", name, n.prefix+name))
		n.in("switch", "link set port-"+name+" master bridge up")
		n.in(name, "link set lo up")
		n.in(name, "link set eth0 up")
		n.in(name, fmt.Sprintf("addr add 10.9.0.%d/24 dev eth0", number))
	}
	return n
}

func (n *network) ip(args string) string {
	n.t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		n.t.Errorf("ip %s: %v: %s", args, err, out)
	}
	return string(out)
}

// in runs ip on a machine.
func (n *network) in(machine, args string) string {
	n.t.Helper()
	return n.ip("-n " + n.prefix + machine + " " + args)
}

// command is the test binary in a mode, on a machine.
func (n *network) command(machine, mode, arg string) *exec.Cmd {
	cmd := exec.Command("ip", "netns", "exec", n.prefix+machine, os.Args[0], arg)
	cmd.Env = append(os.Environ(), modeEnv+"="+mode, "GORACE=atexit_sleep_ms=0")
	// Should the test be killed, its processes are too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// start starts a node.
func (n *network) start(conf node) *running {
	n.t.Helper()
	conf.Key = n.key
	arg, err := json.Marshal(conf)
	if err != nil {
		n.t.Fatal(err)
	}
	r := &running{node: conf, cmd: n.command(conf.Name, "node", string(arg)), log: new(bytes.Buffer)}
	if old := n.nodes[conf.Name]; old != nil {
		r.log = old.log
	}
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.nodes[conf.Name] = r
	return r
}

func (n *network) kill(r *running) {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

func (n *network) signal(name string, s syscall.Signal) {
	n.t.Helper()
	if err := n.nodes[name].cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// client starts the client.
func (n *network) client(machine string) *record {
	n.t.Helper()
	cmd := n.command(machine, "client", virtualIP+":80")
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	r := new(record)
	var reading sync.WaitGroup
	reading.Go(func() { r.read(bufio.NewScanner(out)) })
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait()
	})
	return r
}

// holders returns the machines that have the virtual IP.
func (n *network) holders(machines ...string) (names []string) {
	n.t.Helper()
	for _, m := range machines {
		if strings.Contains(n.in(m, "-o addr show dev eth0"), " "+virtualIP+"/") {
			names = append(names, m)
		}
	}
	return names
}

// heldBy holds that the virtual IP is on that booster, and never on the other
// one; not at each moment, on a machine that is starved.
func (n *network) heldBy(name string) {
	n.t.Helper()
	observe.Eventually(n.t, name+" has the virtual IP", func() bool {
		h := n.holders("a", "b")
		if slices.Contains(h, other(name)) {
			n.t.Fatalf("%v have the virtual IP, not %s", h, name)
		}
		return len(h) == 1
	})
}

// pairOnNetwork starts a pair and agents as its witnesses and waits until the
// primary serves.
func pairOnNetwork(t *testing.T, agents int) (*network, *record) {
	t.Helper()
	machines := map[string]int{"a": 11, "b": 12, "client": 100}
	for i := range agents {
		machines[fmt.Sprintf("w%d", i+1)] = 21 + i
	}
	n := newNetwork(t, machines)
	join := []string{"10.9.0.11", "10.9.0.12"}
	for name, number := range machines {
		c := node{Name: name, Kind: gossip.KindAgent, Join: join, Listen: fmt.Sprintf("10.9.0.%d:5169", number), VirtualIP: virtualIP + "/24", Preempt: -1}
		switch name {
		case "client":
			continue
		case "a":
			c.Kind, c.Role = gossip.KindBooster, pair.Primary
		case "b":
			c.Kind, c.Role = gossip.KindBooster, pair.Secondary
		}
		if c.Kind == gossip.KindBooster {
			c.Dir = filepath.Join(t.TempDir(), name)
			if err := os.Mkdir(c.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		n.start(c)
	}
	r := n.client("client")
	observe.Eventually(t, "the primary serves", func() bool { return r.served(500*time.Millisecond) == "a" })
	for _, name := range []string{"a", "b"} {
		observe.Eventually(t, name+" knows the witnesses", func() bool { s, _ := n.last(name); return s.Witnesses == agents })
	}
	return n, r
}

// terms are all that boosters wrote down of being active.
func (n *network) terms() (all []sample) {
	n.t.Helper()
	for _, name := range []string{"a", "b"} {
		f, err := os.Open(filepath.Join(n.nodes[name].Dir, "log.jsonl"))
		if err != nil {
			n.t.Fatal(err)
		}
		defer f.Close()
		for in := bufio.NewScanner(f); in.Scan(); {
			var s sample
			if err := json.Unmarshal(in.Bytes(), &s); err == nil { // the last line of a killed one may be cut
				all = append(all, s)
			}
		}
	}
	slices.SortFunc(all, func(a, b sample) int { return int(a.At - b.At) })
	return all
}

// standsBy says whether the booster has found since a moment that the other one
// is active.
func (n *network) standsBy(name string, since time.Duration) bool {
	s, ok := n.last(name)
	return ok && s.At > since && !s.Held && s.Peer
}

// last is what the booster wrote down last.
func (n *network) last(name string) (s sample, ok bool) {
	for _, s := range slices.Backward(n.terms()) {
		if s.Node == name {
			return s, true
		}
	}
	return sample{}, false
}
