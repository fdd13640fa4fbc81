package bootstrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"unicode/utf8"
)

// Bounds of an Origin.
const (
	// MaxOrigin bounds an Origin as JSON, MaxSettings its settings.py, in bytes.
	// OMFLOW's own has 8 kB.
	MaxOrigin   = 4 << 20
	MaxSettings = 1 << 20
	// MaxModules is how many Python modules one may name.
	MaxModules = 500

	maxOptions = 256 << 10 // bytes
	maxPath    = 4096      // bytes
	maxText    = 512       // bytes
)

// Module is a Python module that OMFLOW imports, and where it comes from.
type Module struct {
	// Name is the module's, as in psycopg2.
	Name string `json:"name"`
	// Package and Version are those of the package that it is in, as pip has them;
	// empty when that is not known.
	Package string `json:"package,omitempty"`
	Version string `json:"version,omitempty"`
}

var (
	moduleName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)
	packageName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$`)
	versionText = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.+!_-]{0,98})$`)
)

// Validate refuses what could not be shown as a word of a command.
func (m Module) Validate() error {
	switch {
	case !moduleName.MatchString(m.Name):
		return fmt.Errorf("%.100q is no Python module's name", m.Name)
	case m.Package != "" && !packageName.MatchString(m.Package):
		return fmt.Errorf("%.100q is no Python package's name", m.Package)
	case m.Version != "" && !versionText.MatchString(m.Version):
		return fmt.Errorf("%.100q is no version", m.Version)
	}
	return nil
}

// Database says which database a server uses, without the password.
type Database struct {
	// Engine is a database.Engine. Address is the host and port as settings.py has
	// them, Name the database's.
	Engine  string `json:"engine"`
	Address string `json:"address"`
	Name    string `json:"name"`
}

// same reports whether two servers share a database. They may call its machine by
// different names.
func (d Database) same(o Database) bool { return d.Engine == o.Engine && d.Name == o.Name }

// String names the database.
func (d Database) String() string { return fmt.Sprintf("%s %s at %s", d.Engine, d.Name, d.Address) }

// Origin is what a new server takes over from one that is there. However it is printed
// or logged, its secrets do not show.
type Origin struct {
	// Name is the other server's.
	Name string `json:"name"`
	// System is its operating system, as in runtime.GOOS.
	System string `json:"system"`
	// Home is its folder and Server its address, host:port: what stands for them in
	// the rest is to be replaced.
	Home   string `json:"home"`
	Server string `json:"server"`
	// Options are those of its agent, as the agent's own JSON.
	Options json.RawMessage `json:"options"`
	// Settings is the text of its settings.py.
	Settings []byte `json:"settings"`
	// Fingerprint is that of its SECRET_KEY, see settings.Settings.Fingerprint, and
	// Database its database.
	Fingerprint string   `json:"fingerprint"`
	Database    Database `json:"database"`
	// Python is the version of its Python, and Modules what OMFLOW imports there.
	Python  string   `json:"python,omitempty"`
	Modules []Module `json:"modules,omitempty"`
}

// Validate refuses what no agent says.
func (o Origin) Validate() error {
	host, port, err := net.SplitHostPort(o.Server)
	number, perr := strconv.ParseUint(port, 10, 16)
	switch {
	case o.Name == "" || len(o.Name) > maxText:
		return fmt.Errorf("origin: a server's name of %d bytes", len(o.Name))
	case o.System == "" || len(o.System) > 20:
		return fmt.Errorf("origin: %.20q is no system", o.System)
	case err != nil || host == "" || perr != nil || number == 0:
		return fmt.Errorf("origin: %.100q is no server's address", o.Server)
	case len(o.Options) == 0 || o.Options[0] != '{' || len(o.Options) > maxOptions:
		return fmt.Errorf("origin: %d bytes are no agent's options", len(o.Options))
	case len(o.Settings) == 0 || len(o.Settings) > MaxSettings:
		return fmt.Errorf("origin: a settings.py of %d bytes", len(o.Settings))
	case o.Fingerprint == "" || len(o.Fingerprint) > maxText || o.Database.Name == "":
		return errors.New("origin: its SECRET_KEY or its database is not told")
	case o.Python != "" && !versionText.MatchString(o.Python):
		return fmt.Errorf("origin: %.100q is no version of Python", o.Python)
	case len(o.Modules) > MaxModules:
		return fmt.Errorf("origin: %d modules, more than %d", len(o.Modules), MaxModules)
	}
	for _, text := range []string{o.Name, o.Home, o.Database.Engine, o.Database.Address, o.Database.Name} {
		if !utf8.ValidString(text) || len(text) > maxPath {
			return fmt.Errorf("origin: %.100q is no UTF-8, or too long", text)
		}
	}
	for _, m := range o.Modules {
		if err := m.Validate(); err != nil {
			return fmt.Errorf("origin: %w", err)
		}
	}
	if o.System == runtime.GOOS { // another system's paths can't be judged here
		if err := checkHome(o.Home); err != nil {
			return fmt.Errorf("origin: %w", err)
		}
	}
	return nil
}

// checkHome refuses a folder that can't be an OMFLOW Server's own.
func checkHome(home string) error {
	if !filepath.IsAbs(home) || len(home) > maxPath || filepath.Clean(home) != home {
		return fmt.Errorf("home %.100q is not the whole path of a folder", home)
	}
	if filepath.Dir(home) == home {
		return fmt.Errorf("home %q is no folder of its own", home)
	}
	for _, r := range home {
		if r < ' ' || r == 0x7f {
			return fmt.Errorf("home %.100q holds a control character", home)
		}
	}
	return nil
}

// String names the server, without secrets.
func (o Origin) String() string {
	return fmt.Sprintf("server %s at %s in %s, secret key %s, database %s", o.Name, o.Server, o.Home, o.Fingerprint, o.Database)
}

// GoString hides the secrets from the verb %#v.
func (o Origin) GoString() string { return "bootstrap.Origin(" + o.String() + ")" }

// LogValue implements [slog.LogValuer].
func (o Origin) LogValue() slog.Value { return slog.StringValue(o.String()) }
