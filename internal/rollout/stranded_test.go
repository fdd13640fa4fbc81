package rollout

import (
	"testing"
	"time"
)

// The lead server is started anew for stranded tickets that were found since its start,
// and not again for the same.
func TestStranded(t *testing.T) {
	now := time.Now()
	const age = time.Minute // of the lead process
	for name, test := range map[string]struct {
		found, heard time.Duration // ago
		want         bool
	}{
		"none":                         {0, 0, false},
		"since its start":              {20 * time.Second, 0, true},
		"before its start":             {2 * time.Minute, 0, false},
		"by an agent that has gone":    {20 * time.Second, HeardTime + time.Second, false},
		"before, told a moment ago":    {age - time.Second/2, time.Second, false},
		"since, told some seconds ago": {20 * time.Second, HeardTime / 2, true},
	} {
		c := &Coordinator{agents: agents{}}
		c.lease.holder, c.lease.running = "lead", true
		c.agents["lead"] = &asker{heard: now, ask: Ask{Runs: Lead, Age: age}}
		c.agents["other"] = &asker{heard: now.Add(-test.heard), ask: Ask{Runs: Follower, Stranded: test.found}}
		if got := c.stranded(now); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
