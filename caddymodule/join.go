package caddymodule

import (
	"context"
	"fmt"
	"path/filepath"
)

// joinFromSettings has an agent without join do as its server's settings say.
func (a *App) joinFromSettings(ctx context.Context) error {
	if len(a.Join) > 0 {
		return nil
	}
	addresses, from, err := a.agent.Boosters(ctx)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	a.Join = addresses
	a.log.Info("join from "+filepath.Base(from), "join", addresses, "file", from)
	return nil
}
