package service

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

var (
	// ErrNotInstalled: there is no service of that name.
	ErrNotInstalled = errors.New("no such service is installed")
	// ErrUnsupported: this is not Windows.
	ErrUnsupported = errors.New("there are no Windows services on this system: systemd runs the nodes, as in `systemctl enable --now omflow-booster` on a Booster and `systemctl enable --now omflow-agent` beside an OMFLOW Server")
)

// State is what a service does.
type State string

// The states of a service. Windows' own for pausing are not among them: Caddy does not
// pause.
const (
	Stopped  State = "stopped"
	Starting State = "starting"
	Running  State = "running"
	Stopping State = "stopping"
)

// Status is what is known of a service.
type Status struct {
	State State
	// PID is its process, 0 without one.
	PID uint32
	// ExitCode is how its last process ended, when it is stopped: 0 is well. It is
	// Windows' or, where the program gave one, the program's.
	ExitCode uint32
}

// Config is a service to be installed.
type Config struct {
	// Name is what commands call it, as in omflow-agent. Required.
	Name string
	// Title and Description are shown in the window of services.
	Title, Description string
	// Program is the absolute path of the program, and Args its arguments. Required.
	Program string
	Args    []string
	// Account runs it, as in `.\omflow` or `NT AUTHORITY\LocalService`, with its
	// Password. Default: LocalSystem.
	Account, Password string
}

// Validate refuses what Windows would not take, or would take for something else.
func (c Config) Validate() error {
	if err := checkName(c.Name); err != nil {
		return err
	}
	if !filepath.IsAbs(c.Program) {
		return fmt.Errorf("service %s: the program %q must be an absolute path", c.Name, c.Program)
	}
	for _, s := range append([]string{c.Title, c.Description, c.Program, c.Account, c.Password}, c.Args...) {
		if strings.ContainsRune(s, 0) {
			return fmt.Errorf("service %s: a text holds a NUL byte", c.Name) // it may be the password
		}
	}
	return nil
}

// maxName is the longest name of a service, in characters (CreateServiceW, lpServiceName).
const maxName = 256

// checkName refuses names that the service manager does not take.
func checkName(name string) error {
	if name == "" || len([]rune(name)) > maxName || strings.ContainsAny(name, "/\\\x00") {
		return fmt.Errorf("service name %q: write a name of at most %d characters without slashes, as in omflow-agent", name, maxName)
	}
	return nil
}
