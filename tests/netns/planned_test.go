//go:build linux

package netns

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/testbed/observe"
)

// boosterFile is the Caddyfile of a booster. failover_after is long so that this tells of
// planned changes also on a machine that is starved for seconds.
func boosterFile(n *network, name, role string, number int, dir string) string {
	return fmt.Sprintf(`{
	admin localhost:2019
	persist_config off
	auto_https off
	omflow {
		name %s
		listen 10.9.0.%d:5169
		join 10.9.0.11:5169 10.9.0.12:5169
		key %s
		state_dir %s
		booster {
			role %s
			virtual_ip %s/24 eth0
			failover_after 10s
			preempt 3s
		}
	}
}
:80 {
	omflow_booster {
		profile none
		server 10.9.0.21:8000
		server 10.9.0.22:8000
	}
}
`, name, number, n.key, dir, role, virtualIP)
}

// agentFile is the Caddyfile of an agent beside a web server.
func agentFile(n *network, name string, number int, dir string) string {
	return fmt.Sprintf(`{
	admin off
	persist_config off
	omflow {
		name %s
		listen 10.9.0.%d:5169
		join 10.9.0.11:5169 10.9.0.12:5169
		key %s
		state_dir %s
		agent {
			server 10.9.0.%d:8000
			capacity 1000
			health {
				live /
				interval 1s
			}
		}
	}
}
`, name, number, n.key, dir, number)
}

// No request fails when the boosters change places as planned: by an operator's word, by
// the end of the active one's process, and because the primary is back. 1,000 requests a
// second are on the way to the virtual IP, half of them on kept connections, and mostly
// one that takes two seconds.
func TestPlannedFailoverUnderLoad(t *testing.T) {
	n := newNetwork(t, map[string]int{"a": 11, "b": 12, "w1": 21, "w2": 22, "client": 100})
	n.build()
	agents := map[string]int{"w1": 21, "w2": 22}
	for name, number := range agents {
		origin := n.command(name, "origin", fmt.Sprintf("10.9.0.%d:8000", number))
		if err := origin.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = origin.Process.Kill(); _ = origin.Wait() })
		n.run(name, agentFile(n, name, number, t.TempDir()))
	}
	boosters := map[string]string{
		"a": boosterFile(n, "a", "primary", 11, t.TempDir()),
		"b": boosterFile(n, "b", "secondary", 12, t.TempDir()),
	}
	for name, file := range boosters {
		n.run(name, file)
	}
	n.inState("a", "active")
	n.inState("b", "standby")
	observe.Eventually(t, "the witnesses are known", func() bool { s, err := n.pairOf("b"); return err == nil && len(s.Witnesses) == len(agents) })
	l := n.startLoad("client")
	steady := func() {
		t.Helper()
		observe.Eventually(t, "all requests are answered", func() bool { return l.ok(boottime.Now(), 3*time.Second) })
	}
	steady()
	// change has the boosters change places, and tells what became of the requests.
	change := func(what, next string, act func() error) {
		t.Helper()
		before, err := n.pairOf(other(next))
		if err != nil {
			t.Fatal(err)
		}
		began := boottime.Now()
		if err := act(); err != nil {
			t.Fatal(err)
		}
		observe.Eventually(t, next+" is active", func() bool {
			s, err := n.pairOf(next)
			return err == nil && s.State == "active" && s.Term > before.Term
		})
		ended := boottime.Now()
		n.heldBy(next)
		// All that were sent till then have ended, or have failed.
		observe.Eventually(t, "two seconds pass", func() bool { return boottime.Now()-ended > 2*time.Second })
		steady()
		report(t, fmt.Sprintf("%s, in %v", what, (ended-began).Round(time.Millisecond)), l.between(began, boottime.Now()))
	}
	failover := func(on string) func() error {
		return func() error { _, err := n.ask(on, "failover"); return err }
	}
	for i := range 3 {
		// Asked of the active one, and of the standby.
		on := []string{"a", "b"}[i%2]
		change("failover to b", "b", failover(on))
		change("failover to a", "a", failover(on))
	}
	change("the active booster's end", "b", func() error {
		n.signal("a", syscall.SIGTERM)
		return n.nodes["a"].cmd.Wait()
	})
	change("the primary's return", "a", func() error { n.run("a", boosters["a"]); return nil })
	n.inState("b", "standby")
	if all := l.between(0, boottime.Now()); len(all) < 20*perSecond() {
		t.Errorf("only %d requests", len(all))
	}
}
