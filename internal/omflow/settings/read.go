package settings

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Defaults and bounds of Read.
const (
	DefaultTimeout = 10 * time.Second

	maxAnswer  = 1 << 20 // bytes
	maxStderr  = 4 << 10 // bytes
	maxLastLog = 200     // bytes of the last line on standard error that an error quotes
	// leftover is how long what settings.py started may hold Python's output
	// open after Python has ended.
	leftover = 500 * time.Millisecond
)

//go:embed read.py
var script string

// Config says which settings.py is read, and by which Python.
type Config struct {
	// File is the path of settings.py. Its folder is the Python package
	// ("omflow"), and that one's folder OMFLOW's home. Required.
	File string
	// Python is the command, and first arguments, of the Python that runs
	// OMFLOW. Default python3; python on Windows.
	Python []string
	// Env is added to the small environment that Python gets, as NAME=value:
	// the variables that settings.py looks at.
	Env []string
	// Timeout bounds Python's run. Default 10s.
	Timeout time.Duration
}

// Environ is this process's own environment, for Config.Env: without what is no
// NAME=value, of which Windows has a few.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.IndexByte(e, '=') < 1 })
}

// FileIn returns where settings.py is in OMFLOW's home folder.
func FileIn(home string) string { return filepath.Join(home, "omflow", "settings.py") }

// Validate refuses what cannot be run. Zero values stand for the defaults.
func (c Config) Validate() error {
	switch name := filepath.Base(c.File); {
	case c.File == "":
		return errors.New("no settings.py is named")
	case filepath.Ext(name) != ".py" || strings.Count(name, ".") != 1:
		return fmt.Errorf("%s: write the path of settings.py", c.File)
	case len(c.Python) > 0 && c.Python[0] == "":
		return errors.New("the Python command is empty")
	case c.Timeout < 0:
		return fmt.Errorf("timeout %s is negative", c.Timeout)
	}
	for _, s := range slices.Concat(c.Python, c.Env, []string{c.File}) {
		if strings.ContainsRune(s, 0) {
			return errors.New("path, command or environment holds a NUL byte")
		}
	}
	for _, env := range c.Env {
		if i := strings.IndexByte(env, '='); i < 1 {
			return errors.New("environment: write NAME=value") // the text may be a secret
		}
	}
	return nil
}

// Read has Python read settings.py. It may be called from any goroutine, and
// by several at once. The error says what to do; with an error that is only
// about single values the other Settings are returned too.
func Read(ctx context.Context, c Config) (Settings, error) {
	s, err := read(ctx, c)
	if err != nil {
		return s, fmt.Errorf("read settings.py: %w", err)
	}
	return s, nil
}

func read(ctx context.Context, c Config) (Settings, error) {
	if err := c.Validate(); err != nil {
		return Settings{}, err
	}
	file, err := filepath.Abs(c.File)
	if err != nil {
		return Settings{}, err
	}
	// Python compares paths with the real ones.
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return Settings{}, fmt.Errorf("%w: is OMFLOW's home folder right?", err)
	}
	if info, err := os.Stat(file); err != nil {
		return Settings{}, err
	} else if !info.Mode().IsRegular() {
		return Settings{}, fmt.Errorf("%s is no file", file)
	}
	data, err := runPython(ctx, c, file)
	if err != nil {
		return Settings{}, err
	}
	return decode(data)
}

// runPython returns what read.py wrote.
func runPython(ctx context.Context, c Config, file string) ([]byte, error) {
	timeout, python := c.Timeout, c.Python
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	if len(python) == 0 {
		python = []string{"python3"}
		if runtime.GOOS == "windows" {
			python = []string{"python"} // python3 there is often but a link to a shop
		}
	}
	folder := filepath.Dir(file)
	home, module := filepath.Dir(folder), strings.TrimSuffix(filepath.Base(file), ".py")
	args := slices.Concat(python[1:], []string{"-B", "-c", script, home, filepath.Base(folder), module}, names)

	timed, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(timed, python[0], args...)
	cmd.Dir, cmd.Env = home, environment(os.Environ(), c.Env)
	stdout, stderr := &bounded{limit: maxAnswer, full: cancel}, &tail{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = leftover
	ownGroup(cmd)
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		killGroup(cmd) // Python is gone, what it started is not, or left the group
	}
	switch {
	case stdout.over:
		return nil, fmt.Errorf("the values are larger than %d bytes", maxAnswer)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case timed.Err() != nil:
		return nil, fmt.Errorf("it does not come to an end: Python was stopped after %s", timeout)
	case cmd.ProcessState == nil:
		return nil, fmt.Errorf("run Python: %w: name the Python that runs OMFLOW, as in python /opt/omflow/venv/bin/python3", err)
	case stdout.kept.Len() == 0:
		return nil, fmt.Errorf("no answer came from Python (%v): %s", cmd.ProcessState, stderr.lastLine())
	}
	return stdout.kept.Bytes(), nil
}

// inherited are the variables that Python gets from this process. Those in the
// second half are Windows' own, without which programs there don't start, find
// no folders or open no sockets.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
	"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERPROFILE", "USERNAME", "COMPUTERNAME",
	"APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE",
}

// environment is what Python gets: some of base, then add.
func environment(base, add []string) []string {
	var env []string
	for _, e := range base {
		name, _, _ := strings.Cut(e, "=")
		if runtime.GOOS == "windows" {
			name = strings.ToUpper(name)
		}
		if slices.Contains(inherited, name) || strings.HasPrefix(name, "LC_") {
			env = append(env, e)
		}
	}
	return append(env, add...)
}

// bounded keeps up to limit bytes and calls full when there are more.
//
// The buffer is no embedded one: its ReadFrom would let io.Copy go past Write.
type bounded struct {
	kept  bytes.Buffer
	limit int
	over  bool
	full  func()
}

// Write implements [io.Writer].
func (b *bounded) Write(p []byte) (int, error) {
	if b.kept.Len()+len(p) > b.limit {
		b.over = true
		b.full()
		return 0, errors.New("too much")
	}
	return b.kept.Write(p)
}

// tail keeps the last bytes that were written.
type tail struct{ kept []byte }

// Write implements [io.Writer]; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-maxStderr):]...)
	if extra := len(t.kept) - maxStderr; extra > 0 {
		t.kept = slices.Delete(t.kept, 0, extra)
	}
	return len(p), nil
}

// lastLine returns what Python says last when it cannot go on.
func (t *tail) lastLine() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.kept), "\uFFFD"))
	text = text[strings.LastIndexByte(text, '\n')+1:]
	if text == "" {
		return "it said nothing"
	}
	return strings.ToValidUTF8(text[:min(len(text), maxLastLog)], "")
}
