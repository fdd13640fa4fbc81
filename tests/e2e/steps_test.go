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

// A step that takes longer than rows of the flow queue's journal are waited for whose owner
// nobody knows: 30 s when the lead server has died.
const longStep = 45 * time.Second

// No step of a living server runs twice when the lead server is killed, however long it
// takes: the boosters know whose it is.
func TestLongStep(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{Front: "control_settle 500ms"})
	c.LeadFirst(t)
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	defer cancel()
	err := faults.CheckLongStep(ctx, c.Door(t), longStep, func(context.Context) error {
		c.WaitUp(t, len(c.Agents))
		return nil
	})
	var broken *faults.Broken
	switch {
	case errors.As(err, &broken):
		t.Error(err)
	case err != nil:
		t.Errorf("it could not be found out: %v", err)
	}
}
