package testbed

import (
	"slices"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/observe"
)

// A ticket that pauses on a server without the schedule thread rests until another one
// is started with it; on that server it goes on by itself.
func TestPauseOnAServerWithoutRunMain(t *testing.T) {
	c := newCluster(t, 2, 1)
	for i, title := range []string{"on the lead", "on a follower"} {
		cl := newClient(t, c, i)
		expect(t, must(t)(cl.Create(t.Context(), token(t, cl), "nap", title)), 200, "Create")
	}
	observe.Eventually(t, "the lead's ticket goes on", func() bool { return open(rows(t, c, engine.NapUUID, 1)) == 1 })
	schedules, err := c.Queries.Schedules()
	if err != nil || len(schedules) != 2 {
		t.Fatalf("%d schedules, %v", len(schedules), err)
	}
	// Either may have come to its pause first.
	i := slices.IndexFunc(schedules, func(v database.Schedule) bool { return v.Pause != nil && v.Pause.DataNo == 2 })
	if i < 0 {
		t.Fatalf("no schedule is the follower's ticket's: %+v", schedules)
	}
	observe.Eventually(t, "the other's pause is long over", func() bool { return time.Since(schedules[i].Exec) > engine.NapPause/2 })
	if r := rows(t, c, engine.NapUUID, 2); len(r) != 1 || !r[0].Running || journal(t, c) != 0 || !schedules[i].Active {
		t.Fatalf("the follower's ticket: %+v, journal %d, %+v", r, journal(t, c), schedules[i])
	}
	if err := c.Restart(1); err != nil { // without RunMain nothing is loaded
		t.Fatal(err)
	}
	if r := rows(t, c, engine.NapUUID, 2); len(r) != 1 || !r[0].Running {
		t.Fatalf("after a restart of the follower: %+v", r)
	}
	if err := c.Restart(0); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "the next start of a lead goes on with it", func() bool { return open(rows(t, c, engine.NapUUID, 2)) == 1 })
	observe.Eventually(t, "nothing is left", func() bool {
		schedules, err := c.Queries.Schedules()
		return err == nil && len(schedules) == 2 && !schedules[0].Active && !schedules[1].Active && journal(t, c) == 0
	})
	if r := rows(t, c, engine.NapUUID, 1); len(r) != 2 {
		t.Errorf("the lead's ticket went on again: %+v", r)
	}
}
