package guard

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"
)

// Command returns the hidden command of the program that runs [Main] with the
// arguments that come after it.
func Command() []string { return []string{"omflow", "guard"} }

// maxHold bounds a deadline: a caller that computed a longer one made a
// mistake, and a guard that never acts is none.
const maxHold = time.Hour

// LeadConfig says where the state of a lead guard lies and how a guard is
// started.
type LeadConfig struct {
	// File is the path of the state file, absolute, in a folder that exists
	// and that survives the holder. Never on a network file system: the lock on
	// it must be one of this machine.
	File string
	// Exe is the program that runs [Main], absolute; mostly this very one
	// (os.Executable).
	Exe string
	// Args come before the arguments of Main: the hidden command.
	Args []string
	// Env is added to this process's environment for the guard, NAME=value.
	Env []string
	// Logger is told of guards that are started and that ended. Default:
	// slog.Default.
	Logger *slog.Logger
}

// Validate says what is wrong with the configuration.
func (c LeadConfig) Validate() error {
	if !filepath.IsAbs(c.File) {
		return fmt.Errorf("state file %q: write an absolute path", c.File)
	}
	if !filepath.IsAbs(c.Exe) {
		return fmt.Errorf("guard program %q: write an absolute path", c.Exe)
	}
	return nil
}

func (c LeadConfig) withDefaults() LeadConfig {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// validHold checks what Hold is given.
func validHold(pid int, start uint64, d time.Duration) error {
	if pid < 2 || pid > maxPID || start == 0 {
		return fmt.Errorf("process %d, start %d identify no process", pid, start)
	}
	if d > maxHold {
		return fmt.Errorf("a deadline in %v is more than %v away", d, maxHold)
	}
	return nil
}

// ErrNoGuard: the promise is not guarded, because no guard process could be
// started or the one that was there does not go away.
var ErrNoGuard = errors.New("no guard process")
