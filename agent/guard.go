package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/guard"
)

// newGuard opens the state of the guard of a server's lead process.
func newGuard(dir string, log *slog.Logger) (*guard.Lead, error) {
	exe, err := guard.Program()
	if err != nil {
		return nil, err
	}
	file, err := filepath.Abs(filepath.Join(dir, "lead.guard"))
	if err != nil {
		return nil, fmt.Errorf("find the guard's file: %w", err)
	}
	return guard.OpenLead(guard.LeadConfig{File: file, Exe: exe, Args: guard.Command(), Logger: log})
}

// bootDeadline is a time from now, by the clock that the next agent has, too.
func bootDeadline(left time.Duration) time.Duration { return boottime.Now() + left }

// openGuard opens the state of the lead's guard, where there is one.
func (m *monitor) openGuard() {
	g, err := newGuard(m.dir, m.log)
	switch {
	case err == nil:
		m.part.guard = g
	case errors.Is(err, errors.ErrUnsupported):
		m.log.Info("there are no guard processes on this system: if this agent stands still, its server can't be stopped as the lead")
	default:
		m.log.Error("the lead server's guard can't be used", "error", err)
	}
}

// closeGuard lets go of the guard's state; a guard goes on with what it was told last.
func (m *monitor) closeGuard() {
	if m.part.guard == nil {
		return
	}
	if err := m.part.guard.Close(); err != nil {
		m.log.Warn("the lead server's guard", "error", err)
	}
}
