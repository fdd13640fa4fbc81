package setup

import (
	"bytes"
	"embed"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"
	"unicode"
)

//go:embed templates/*.service
var templates embed.FS

var units = template.Must(template.New("").Funcs(template.FuncMap{"arg": execArg, "path": unitWord}).ParseFS(templates, "templates/*.service"))

// boosterUser is the system user that runs boosters; the Debian package makes it.
const boosterUser = "omflow-booster"

// UnitConfig is what a systemd unit names.
type UnitConfig struct {
	// Kind is booster or agent.
	Kind Kind
	// Program is the binary's absolute path.
	Program string
	// Caddyfile is its configuration's absolute path.
	Caddyfile string
	// User runs an agent.
	User string
	// Home is the OMFLOW Server's folder, which the agent's unit leaves writable
	// wherever it is. May be empty.
	Home string
	// LowPort lets the OMFLOW Server bind a port below 1024.
	LowPort bool
}

// Validate refuses what no unit can hold.
func (c UnitConfig) Validate() error {
	switch {
	case c.Kind != Booster && c.Kind != Agent:
		return fmt.Errorf("unit of kind %q: write %s or %s", c.Kind, Booster, Agent)
	case !filepath.IsAbs(c.Program) || !filepath.IsAbs(c.Caddyfile):
		return fmt.Errorf("unit: program %q and Caddyfile %q must be absolute paths", c.Program, c.Caddyfile)
	case c.Kind == Agent && c.User == "":
		return fmt.Errorf("unit: an agent needs a user")
	}
	for _, s := range []string{c.Program, c.Caddyfile, c.User, c.Home} {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return fmt.Errorf("unit: %q holds a control character", s)
		}
	}
	return nil
}

// RenderUnit returns the text of a unit.
func RenderUnit(c UnitConfig) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := units.ExecuteTemplate(&out, "omflow-"+string(c.Kind)+".service", c); err != nil {
		return nil, fmt.Errorf("render unit: %w", err)
	}
	return out.Bytes(), nil
}

// execArg writes one word of a unit's command line, where $ begins a variable
// (systemd.service(5), "Command lines").
func execArg(s string) string { return unitWord(strings.ReplaceAll(s, "$", "$$")) }

// unitWord writes one word of a unit: % begins a specifier, and within quotes
// backslashes are as in C (systemd.syntax(7), "Quoting").
func unitWord(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(s)
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"'\;`, r) }) {
		return `"` + s + `"`
	}
	return s
}
