package standin

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
)

// DefaultThreads is the number of threads that OMFLOW was measured with.
const DefaultThreads = 8

// maxScale is the highest time scale: a home page of half a minute.
const maxScale = 1000

// Config is one stand-in. The zero value of a field is its default where one is
// named.
type Config struct {
	// Name is the server's name in logs and in the header X-Stand-In of every
	// answer, by which tests tell who answered. Required.
	Name string
	// Listen is the address host:port to serve at. Port 0 takes a free one.
	// Required.
	Listen string
	// Home is the folder with the server's code and uploads; an empty or missing
	// one is filled. No two servers may share it. Required.
	Home string
	// Database is the address host:port of a database.Server, or the URL postgres://…
	// of a PostgreSQL that has been migrated. Required.
	Database string
	// Postgres is the address host:port at which that database speaks PostgreSQL's
	// protocol, and PostgresPassword what it asks for. Both are only written into
	// the settings.py of a home folder that has none. Default: nothing is.
	Postgres, PostgresPassword string
	// SecretKey signs sessions. Servers with different keys don't share them.
	// Required.
	SecretKey string
	// Threads is how many requests are worked on at once. Default 8.
	Threads int
	// TimeScale multiplies the time that requests take: 1 is OMFLOW as measured,
	// 0.1 ten times faster, 0 no delays.
	TimeScale float64
	// KeepAlive is how long an idle connection is kept. Default 2s, gunicorn's.
	KeepAlive time.Duration
	// Linger is how long Stop takes at least after the last request has been
	// answered, for the sake of threads that never end. gunicorn waits 30s.
	// Default 0.
	Linger time.Duration
	// RunMain starts schedules and replays the flow queue's journal, as
	// RUN_MAIN=true in OMFLOW's environment does.
	RunMain bool
	// Instruments serves counters and fault injection under /__testbed/. They
	// work over the Go API in any case.
	Instruments bool
	// Logger gets one line a life-cycle event and OMFLOW's own errors. Required.
	Logger *slog.Logger
}

// Validate tells what is wrong with the configuration.
func (c Config) Validate() error {
	for _, f := range []struct{ name, value string }{
		{"name", c.Name}, {"home folder", c.Home}, {"secret key", c.SecretKey},
	} {
		if f.value == "" {
			return fmt.Errorf("a stand-in needs a %s", f.name)
		}
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("parsing the listen address %q: %w", c.Listen, err)
	}
	if err := database.CheckAddress(c.Database); err != nil {
		return err
	}
	if c.Postgres != "" {
		if _, _, err := net.SplitHostPort(c.Postgres); err != nil {
			return fmt.Errorf("parsing the address of PostgreSQL %q: %w", c.Postgres, err)
		}
	}
	switch {
	case c.Logger == nil:
		return errors.New("a stand-in needs a logger")
	case c.Threads < 0:
		return fmt.Errorf("%d threads are too few", c.Threads)
	case !(c.TimeScale >= 0 && c.TimeScale <= maxScale):
		return fmt.Errorf("time scale %v is not between 0 and %d", c.TimeScale, maxScale)
	case c.KeepAlive < 0 || c.Linger < 0:
		return errors.New("keep-alive and linger times can't be negative")
	}
	return nil
}
