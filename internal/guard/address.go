package guard

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/omflow/booster/internal/pair/vip"
)

// AddressConfig says which address is guarded and how the guard is started.
type AddressConfig struct {
	// Address is what the guard takes off.
	Address vip.Config
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
func (c AddressConfig) Validate() error {
	if err := c.Address.Validate(); err != nil {
		return err
	}
	if !filepath.IsAbs(c.Exe) {
		return fmt.Errorf("guard program %q: write an absolute path", c.Exe)
	}
	return nil
}

func (c AddressConfig) withDefaults() AddressConfig {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
