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

	"github.com/omflow/booster/internal/testbed/observe"
)

// build builds the booster.
func (n *network) build() {
	n.t.Helper()
	n.program = filepath.Join(n.t.TempDir(), "booster")
	cmd := exec.Command("go", "build", "-o", n.program, "github.com/omflow/booster/cmd/booster")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("build the booster: %v: %s", err, out)
	}
}

// run starts the booster with its Caddyfile on a machine.
func (n *network) run(name, caddyfile string) {
	n.t.Helper()
	dir := n.t.TempDir()
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, []byte(caddyfile), 0o600); err != nil {
		n.t.Fatal(err)
	}
	r := &running{node: node{Name: name, Dir: dir}, log: new(bytes.Buffer)}
	r.cmd = exec.Command("ip", "netns", "exec", n.prefix+name, n.program, "run", "--config", path)
	r.cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if old := n.nodes[name]; old != nil {
		r.log = old.log
	}
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.nodes[name] = r
}

// ask runs a command of the booster's on a machine and returns what it prints.
func (n *network) ask(machine string, args ...string) (string, error) {
	n.t.Helper()
	cmd := exec.Command("ip", slices.Concat([]string{"netns", "exec", n.prefix + machine, n.program, "omflow"}, args)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s on %s: %w: %s", strings.Join(args, " "), machine, err, &stderr)
	}
	return string(out), err
}

// pairState is what a booster's status says of the pair.
type pairState struct {
	State     string
	Term      uint64
	PeerState string `json:"peer_state"`
	Witnesses map[string]bool
}

func (n *network) pairOf(machine string) (pairState, error) {
	var s struct{ Pair pairState }
	out, err := n.ask(machine, "status", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &s)
	}
	return s.Pair, err
}

// inState waits until a booster is in a state and hears the other.
func (n *network) inState(machine, state string) pairState {
	n.t.Helper()
	var s pairState
	observe.Eventually(n.t, machine+" is "+state, func() bool {
		var err error
		s, err = n.pairOf(machine)
		return err == nil && s.State == state && s.PeerState == "alive"
	})
	return s
}

// load are the requests of the load so far.
type load struct {
	mu  sync.Mutex
	all []sent
}

// startLoad sends requests from a machine.
func (n *network) startLoad(machine string) *load {
	n.t.Helper()
	cmd := n.command(machine, "load", virtualIP+":80")
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	l := new(load)
	var reading sync.WaitGroup
	reading.Go(func() {
		for in := bufio.NewScanner(out); in.Scan(); {
			var s sent
			if json.Unmarshal(in.Bytes(), &s) == nil {
				l.mu.Lock()
				l.all = append(l.all, s)
				l.mu.Unlock()
			}
		}
	})
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait()
	})
	return l
}

// between returns the requests that were in flight at some time between from and to, and
// have ended.
func (l *load) between(from, to time.Duration) (out []sent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.all {
		if s.Began < to && s.Began+s.Took > from {
			out = append(out, s)
		}
	}
	return out
}

// ok reports whether all requests of the last while were answered.
func (l *load) ok(now, while time.Duration) bool {
	last := l.between(now-while, now)
	return len(last) > int(while/time.Second)*perSecond()/2 && !slices.ContainsFunc(last, func(s sent) bool { return s.Err != "" })
}

// report holds that none failed and tells how long they took, by kind.
func report(t *testing.T, what string, requests []sent) {
	t.Helper()
	took := make(map[string][]time.Duration)
	for _, s := range requests {
		if s.Err != "" {
			t.Errorf("%s: a request (%s) that began at %v failed after %v: %s", what, s.Kind, s.Began, s.Took, s.Err)
		}
		took[s.Kind] = append(took[s.Kind], s.Took)
	}
	line := what + ":"
	for _, kind := range []string{"kept", "new", "slow"} {
		all := took[kind]
		slices.Sort(all)
		if len(all) == 0 {
			if kind != "slow" {
				t.Errorf("%s: no request (%s)", what, kind)
			}
			continue
		}
		quick, _ := slices.BinarySearch(all, 900*time.Millisecond)
		line += fmt.Sprintf(" %s: %d, median %v, worst %v, %d of them over 0.9 s;", kind, len(all),
			all[len(all)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond), len(all)-quick)
	}
	t.Log(line)
}
