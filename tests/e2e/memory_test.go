//go:build linux

package e2e

import (
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// A booster and agents that have nothing to do stay under 100 and 80 MB.
func TestIdleMemory(t *testing.T) {
	c := start(t, harness.Config{})
	const megabyte = 1 << 20
	most := map[string]int64{}
	limit := map[string]int64{c.Booster.Name: 100 * megabyte}
	for _, a := range c.Agents {
		limit[a.Name] = 80 * megabyte
	}
	harness.Hold(t, 4*time.Second, "memory", func() error {
		for _, n := range append([]*harness.Node{c.Booster}, c.Agents...) {
			most[n.Name] = max(most[n.Name], harness.Resident(t, n.PID()))
		}
		return nil
	})
	// A database, a booster, three agents, three servers and the lead's guard: what the
	// end of a test looks for when it tells what was left behind.
	if n := len(harness.ProcessesOf(c.Dir)); n != 9 {
		t.Errorf("the cluster is %d processes", n)
	}
	for name, bytes := range most {
		t.Logf("%s: %d MB", name, bytes/megabyte)
		if bytes >= limit[name] {
			t.Errorf("%s has up to %d MB resident; it should stay under %d MB", name, bytes/megabyte, limit[name]/megabyte)
		}
	}
}
