package bootstrap

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/omflow/booster/internal/database"
)

const (
	// ImportTime bounds Import, and whatever else Python is run for here: to list what
	// OMFLOW's 72 files of Python import took it 0.4 s.
	ImportTime = 20 * time.Second
	// maxAnswer bounds what it says, in bytes.
	maxAnswer = 256 << 10
)

//go:embed modules.py
var script string

// Need is something that an OMFLOW Server needs of Python's packages.
type Need struct {
	// Modules are those of which one is needed, and Package is the package of the
	// first, as pip has it.
	Modules []string
	Package string
}

// drivers are what Django's backends need: the drivers' modules, which in some versions
// of Django are others.
var drivers = map[database.Engine][]Need{
	database.Postgres:  {{[]string{"psycopg2", "psycopg"}, "psycopg2"}},
	database.MySQL:     {{[]string{"MySQLdb", "pymysql"}, "mysqlclient"}},
	database.SQLServer: {{[]string{"mssql", "sql_server"}, "mssql-django"}, {[]string{"pyodbc"}, "pyodbc"}},
	database.Oracle:    {{[]string{"cx_Oracle", "oracledb"}, "cx_Oracle"}},
}

// webServers are the modules of programs that run OMFLOW, by what their names begin with.
// Their packages have the same names.
var webServers = []string{"gunicorn", "waitress", "uvicorn", "daphne"}

// Needs returns what a server needs, beside what its code imports, for its database and
// for the command that runs it. A command that is none of the known ones needs nothing.
func Needs(engine database.Engine, run []string) []Need {
	needs := slices.Clone(drivers[engine])
	for _, server := range webServers {
		if slices.ContainsFunc(run, func(word string) bool { return strings.HasPrefix(filepath.Base(word), server) }) {
			needs = append(needs, Need{[]string{server}, server})
		}
	}
	return needs
}

// NotInstalled is why a module can't be imported that is not there.
const NotInstalled = "it is not installed"

// Import has a Python import modules, as a server that is started would, and returns why it
// can't, by module, of those that it can't. python is the command that runs it. It takes
// ImportTime at most.
func Import(ctx context.Context, python []string, modules []string) (failures map[string]string, err error) {
	f, err := runScript(ctx, python, append([]string{"import"}, modules...)...)
	switch {
	case err != nil:
		return nil, fmt.Errorf("import Python modules: %w", err)
	case f.Failures == nil:
		return nil, fmt.Errorf("import Python modules: %s is Python %.20q: OMFLOW needs 3.7.7 or newer", python[len(python)-1], f.Python)
	}
	return f.Failures, nil
}

// found is what modules.py says.
type found struct {
	Python   string            `json:"python"`
	Modules  []Module          `json:"modules"`
	Missing  []string          `json:"missing"`
	Failures map[string]string `json:"failures"`
}

// listModules lists what OMFLOW's code in home imports of the Python packages that are
// installed, and those that its database and its command need.
func listModules(ctx context.Context, python, home string, engine database.Engine, run []string) (found, error) {
	args := []string{"list", home}
	for _, need := range Needs(engine, run) {
		args = append(args, need.Modules...)
	}
	f, err := runScript(ctx, []string{python}, args...)
	if err != nil {
		return found{}, fmt.Errorf("list the Python modules that OMFLOW needs: %w", err)
	}
	f.Modules = slices.DeleteFunc(f.Modules, func(m Module) bool { return m.Validate() != nil })
	f.Modules = f.Modules[:min(len(f.Modules), MaxModules)]
	return f, nil
}

// checkPython says which Python or which packages are to be installed here.
func checkPython(ctx context.Context, python string, o Origin) error {
	if _, err := exec.LookPath(python); err != nil {
		return fmt.Errorf("there is no Python %s here (%w): install one as on server %s, which has Python %s with %s, or name another with `python`",
			python, err, o.Name, o.Python, strings.Join(requirements(o.Modules), " "))
	}
	args := []string{"look"}
	for _, m := range o.Modules {
		args = append(args, m.Name)
	}
	f, err := runScript(ctx, []string{python}, args...)
	switch {
	case err != nil:
		return fmt.Errorf("look for OMFLOW's Python modules: %w", err)
	case f.Missing == nil:
		return fmt.Errorf("%s is Python %.20q: OMFLOW needs 3.7.7 or newer, and server %s has %s", python, f.Python, o.Name, o.Python)
	}
	missing := slices.DeleteFunc(slices.Clone(o.Modules), func(m Module) bool { return !slices.Contains(f.Missing, m.Name) })
	if len(missing) == 0 {
		return nil
	}
	names := make([]string, len(missing))
	for i, m := range missing {
		names[i] = m.Name
	}
	return fmt.Errorf("%s lacks %s, which OMFLOW needs: install as on server %s: %s -m pip install %s",
		python, strings.Join(names, ", "), o.Name, python, strings.Join(requirements(missing), " "))
}

// requirements are modules' packages as pip wants them.
func requirements(modules []Module) []string {
	var out []string
	for _, m := range modules {
		word := m.Name
		if m.Package != "" {
			word = m.Package
			if m.Version != "" {
				word += "==" + m.Version
			}
		}
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

// checkCommand says what of a command is not here: the program, and files of home's
// virtual environment or elsewhere that it names before its first option. What else is in
// home, such as manage.py, comes with the release.
func checkCommand(home string, run []string) error {
	if len(run) == 0 {
		return errors.New("there is no command to run")
	}
	if _, err := exec.LookPath(run[0]); err != nil && !comes(home, run[0]) {
		return fmt.Errorf("the command that runs the server on the others is not here: %w: install it, or write another one with `run`", err)
	}
	for _, word := range run[1:] {
		if !filepath.IsAbs(word) {
			return nil
		}
		if _, err := os.Stat(word); err != nil && !comes(home, word) {
			return fmt.Errorf("run %s: %w: install it, or write another command with `run`", run[0], err)
		}
	}
	return nil
}

// comes reports whether a file is one of home's that are in releases.
func comes(home, path string) bool {
	rel, err := filepath.Rel(home, path)
	if err != nil || !filepath.IsAbs(path) || !filepath.IsLocal(rel) || rel == "." {
		return false
	}
	first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
	return !slices.Contains(beside, first)
}

// runScript runs modules.py, which reads no settings.py and imports nothing of OMFLOW.
func runScript(ctx context.Context, python []string, args ...string) (f found, err error) {
	ctx, cancel := context.WithTimeout(ctx, ImportTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, python[0], slices.Concat(python[1:], []string{"-B", "-c", script}, args)...)
	cmd.WaitDelay = time.Second
	cmd.Dir = os.TempDir()
	var stderr bytes.Buffer
	cmd.Stderr = &limited{to: &stderr, left: maxText}
	out := new(bytes.Buffer)
	stdout := &limited{to: out, left: maxAnswer}
	cmd.Stdout = stdout
	switch err := cmd.Run(); {
	case ctx.Err() != nil:
		return found{}, fmt.Errorf("run Python: %w", ctx.Err())
	case err != nil:
		return found{}, fmt.Errorf("run Python: %w: %s", err, lastLine(stderr.String()))
	case stdout.left <= 0:
		return found{}, fmt.Errorf("run Python: it says more than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		return found{}, fmt.Errorf("run Python: read its answer: %w", err)
	}
	return f, nil
}

// limited keeps the first bytes that were written.
type limited struct {
	to   *bytes.Buffer
	left int
}

// Write implements [io.Writer]; it never fails.
func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.to.Write(p[:n])
	l.left -= n
	return len(p), nil
}

func lastLine(text string) string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "?"))
	return text[strings.LastIndexByte(text, '\n')+1:]
}
