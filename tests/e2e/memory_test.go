//go:build linux

package e2e

import (
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// Booster and agents that have nothing to do need little memory of their own, and stay
// under 100 MB with the program's file. Of that the kernel maps 52 to 67 MB, as it has it
// in its cache: seen with one program in one hour, so that it can't be held to the
// megabyte.
func TestIdleMemory(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{})
	const (
		megabyte    = 1 << 20
		maxOwn      = 30 * megabyte // 14 to 19 MB were seen
		maxResident = 100 * megabyte
	)
	most := map[string]harness.Memory{}
	harness.Hold(t, 4*time.Second, "memory", func() error {
		for _, n := range append([]*harness.Node{c.Booster}, c.Agents...) {
			m, now := most[n.Name], harness.MemoryOf(t, n.PID())
			most[n.Name] = harness.Memory{Own: max(m.Own, now.Own), Resident: max(m.Resident, now.Resident)}
		}
		return nil
	})
	// A database, a booster, three agents, three servers and the lead's guard: what the
	// end of a test looks for when it tells what was left behind.
	harness.Wait(t, time.Minute, "the cluster's processes", func() error { return processes(c.Dir, 9) })
	for name, m := range most {
		t.Logf("%s: %d MB, %d of them its own", name, m.Resident/megabyte, m.Own/megabyte)
		if m.Own >= maxOwn || m.Resident >= maxResident {
			t.Errorf("%s has up to %d MB resident, %d of them its own; it should stay under %d and %d",
				name, m.Resident/megabyte, m.Own/megabyte, maxResident/megabyte, maxOwn/megabyte)
		}
	}
}
