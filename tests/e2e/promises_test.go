//go:build linux

package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
	"github.com/omflow/booster/tests/faults"
)

// Everything that several servers break behind a round robin holds behind the booster,
// and at no time do two lead servers run.
func TestPromises(t *testing.T) {
	c := start(t, harness.Config{Front: "control_settle 500ms"})
	leads := c.WatchLeads(t)
	defer leads.Stop(t)
	door := c.Door(t)
	for _, promise := range faults.Promises() {
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
