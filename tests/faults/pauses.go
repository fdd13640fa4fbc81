package faults

import (
	"context"
	"fmt"

	"github.com/omflow/booster/internal/testbed/engine"
)

// checkPauses opens tickets whose first step is a pause, and wants each at the form that
// follows, once.
func checkPauses(ctx context.Context, d Door) error {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	title := newTitle("pause")
	answers, err := v.open(ctx, d.crowd(), engine.NapUUID, title)
	if err != nil {
		return err
	}
	if n := numbered(answers); n != len(answers) {
		return fmt.Errorf("only %d of %d creates were accepted: %s", n, len(answers), firstRefusal(answers))
	}
	return d.waitForOneRow(ctx, engine.NapUUID, title, len(answers))
}
