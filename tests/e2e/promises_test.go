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
// and at no time do two lead servers run. The promises come in the order of what they do
// to a cluster; three clusters share them.
func TestPromisesOfChanges(t *testing.T)  { keep(t, "", firstRestart) }
func TestPromisesOfRestarts(t *testing.T) { keep(t, firstRestart, firstDeath) }
func TestPromisesOfDeaths(t *testing.T)   { keep(t, firstDeath, "") }

// The promises from which on the second and the third cluster are used.
const (
	firstRestart = "create-honest"
	firstDeath   = "schedule-kill"
)

// between returns the promises from one up to another one; "" are the first and the end.
func between(t *testing.T, from, to string) []faults.Promise {
	t.Helper()
	all := faults.Promises()
	at := func(name string) int {
		i := slices.IndexFunc(all, func(p faults.Promise) bool { return p.Name == name })
		if i < 0 {
			t.Fatalf("there is no promise %s, from which on another cluster is used", name)
		}
		return i
	}
	first, end := 0, len(all)
	if from != "" {
		first = at(from)
	}
	if to != "" {
		end = at(to)
	}
	return all[first:end]
}

func keep(t *testing.T, from, to string) {
	t.Parallel()
	promises := between(t, from, to)
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
