//go:build linux

package e2e

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
	"github.com/omflow/booster/tests/faults"
)

// Everything that several servers break behind a round robin holds behind the booster,
// and at no time do two lead servers run.
func TestPromises(t *testing.T) {
	// They come in the order of what they do to a cluster; three clusters share them.
	rest := faults.Promises()
	before := func(first string) []faults.Promise {
		at := slices.IndexFunc(rest, func(p faults.Promise) bool { return p.Name == first })
		if at < 0 {
			t.Fatalf("there is no promise %s, from which on another cluster is used", first)
		}
		some := rest[:at]
		rest = rest[at:]
		return some
	}
	changes, restarts := before("create-honest"), before("schedule-kill")
	for name, some := range map[string][]faults.Promise{"changes": changes, "restarts": restarts, "deaths": rest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keep(t, some)
		})
	}
}

func keep(t *testing.T, promises []faults.Promise) {
	c := start(t, harness.Config{Front: "control_settle 500ms"})
	c.LeadFirst(t)
	leads := c.WatchLeads(t)
	defer leads.Stop(t)
	door := c.Door(t)
	for _, promise := range promises {
		t.Run(promise.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
			defer cancel()
			begun := time.Now()
			err := promise.Check(ctx, door)
			t.Logf("%s: %.1fs", promise.Says, time.Since(begun).Seconds())
			var broken *faults.Broken
			switch {
			case errors.As(err, &broken):
				t.Errorf("%s: %v", promise.Says, err)
			case err != nil:
				t.Errorf("it could not be found out whether %s: %v", promise.Says, err)
			}
			c.WaitUp(t, len(c.Agents))
		})
	}
}
