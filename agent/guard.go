package agent

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/omflow/booster/internal/guard"
	"github.com/omflow/booster/internal/guard/boottime"
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
