package supervise

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Defaults of Config.
const (
	// DefaultStopGrace leaves gunicorn, which takes up to 32 s to end OMFLOW
	// (measured on OMFLOW 1.1.0.0: its background threads are not daemons), the
	// time to finish its requests.
	DefaultStopGrace  = 40 * time.Second
	DefaultBackoffMin = time.Second
	DefaultBackoffMax = 30 * time.Second
	DefaultQuickExit  = 10 * time.Second
	DefaultFatalAfter = 5
)

// Config describes a server process and how it is kept.
type Config struct {
	// Name is the server's name in logs. Required.
	Name string
	// Command is the program and its arguments; no shell is involved. A program
	// without a slash is looked up in PATH. Required.
	Command []string
	// Dir is the process' working directory. Default: the present one.
	Dir string
	// Env is added to this process' own environment as NAME=value and wins over
	// it. The variables by which systemd talks to a service are not passed on.
	Env []string
	// Without are variables of this process' environment that are not passed on.
	Without []string
	// StateDir is the folder for server.pid, server.log and server.lock; it is
	// made if it is missing. No two Supervisors can share one. Required.
	StateDir string
	// StopGrace is how long the process may take to end after TERM, before it
	// is killed. Default 40s.
	StopGrace time.Duration
	// BackoffMin is the pause before the first restart; it doubles with each
	// quick exit up to BackoffMax, and up to a quarter is added at random.
	// Default 1s.
	BackoffMin time.Duration
	// BackoffMax bounds the pause. Default 30s.
	BackoffMax time.Duration
	// QuickExit is how long a process must run so that its exit is not a quick
	// one. A failed start is a quick exit too. Default 10s.
	QuickExit time.Duration
	// FatalAfter is how many quick exits in a row end in Fatal. Default 5.
	FatalAfter int
	// Once says that a process which ends by itself is not started again: the state
	// is Stopped then, with the reason. Default: it is.
	Once bool
	// Stamp is called just before a process is started, on a goroutine of the
	// Supervisor's, so it must not block or call back. What it returns, of which at most
	// 1 kB, is Status.Stamp as long as that process lives, also for a Supervisor that
	// adopts it. Default: "".
	Stamp func() string
	// Logger gets what happens to the process, and its output. Default: none.
	Logger *slog.Logger
}

// Validate refuses what cannot be run. Zero values stand for the defaults.
func (c Config) Validate() error {
	if c.Name == "" {
		return errors.New("supervise: the server has no name")
	}
	if len(c.Command) == 0 || c.Command[0] == "" {
		return fmt.Errorf("supervise %s: no command is given", c.Name)
	}
	for _, arg := range c.Command {
		if strings.ContainsRune(arg, 0) {
			return fmt.Errorf("supervise %s: the command holds a NUL byte", c.Name)
		}
	}
	for _, env := range c.Env {
		if i := strings.IndexByte(env, '='); i < 1 || strings.ContainsRune(env, 0) {
			return fmt.Errorf("supervise %s: environment %q: write NAME=value", c.Name, env)
		}
	}
	if c.StateDir == "" {
		return fmt.Errorf("supervise %s: no state folder is given", c.Name)
	}
	for what, d := range map[string]time.Duration{
		"stop grace": c.StopGrace, "least back-off": c.BackoffMin, "longest back-off": c.BackoffMax, "quick exit": c.QuickExit,
	} {
		if d < 0 {
			return fmt.Errorf("supervise %s: %s %s is negative", c.Name, what, d)
		}
	}
	if c.BackoffMax != 0 && c.BackoffMin > c.BackoffMax {
		return fmt.Errorf("supervise %s: least back-off %s is longer than the longest, %s", c.Name, c.BackoffMin, c.BackoffMax)
	}
	if c.FatalAfter < 0 {
		return fmt.Errorf("supervise %s: %d quick exits: must not be negative", c.Name, c.FatalAfter)
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Command, c.Env, c.Without = slices.Clone(c.Command), slices.Clone(c.Env), slices.Clone(c.Without)
	if c.StopGrace == 0 {
		c.StopGrace = DefaultStopGrace
	}
	if c.BackoffMin == 0 {
		c.BackoffMin = DefaultBackoffMin
	}
	if c.BackoffMax == 0 {
		c.BackoffMax = max(DefaultBackoffMax, c.BackoffMin)
	}
	if c.QuickExit == 0 {
		c.QuickExit = DefaultQuickExit
	}
	if c.FatalAfter == 0 {
		c.FatalAfter = DefaultFatalAfter
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	c.Logger = c.Logger.With("server", c.Name)
	return c
}

// hash identifies what is run: two configurations with one hash start the same
// process. It is written to disk, hence no plain text: Env may hold secrets.
func (c Config) hash() string {
	h := sha256.New()
	for _, part := range [][]string{c.Command, {c.Dir}, c.Env, c.Without} {
		fmt.Fprintf(h, "%d\n", len(part))
		for _, s := range part {
			fmt.Fprintf(h, "%d:%s\n", len(s), s)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// backoff returns the pause after the given number of quick exits in a row.
// The random part keeps servers that failed together, as when their database
// went away, from starting together.
func (c Config) backoff(quick int) time.Duration {
	d := c.BackoffMin
	for range quick - 1 {
		if d *= 2; d >= c.BackoffMax {
			d = c.BackoffMax
			break
		}
	}
	return d + rand.N(d/4+1)
}

// environment is what the process gets: base without systemd's variables and the given
// ones, then add. OMFLOW's own server would otherwise report itself ready on the agent's
// notify socket, or take its listeners (sd_notify(3), sd_listen_fds(3)).
func environment(base, without, add []string) []string {
	env := make([]string, 0, len(base)+len(add))
	for _, e := range base {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "WATCHDOG_USEC", "WATCHDOG_PID":
		default:
			if !slices.Contains(without, name) {
				env = append(env, e)
			}
		}
	}
	return append(env, add...)
}
