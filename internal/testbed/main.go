package testbed

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/standin"
)

// Exit codes of Main.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `Runs a stand-in for OMFLOW Server, or the database that stand-ins share.

  stand-in --listen <host:port> --home <folder> --database <host:port> [--postgres <host:port>] [flags]
  stand-in install (the same flags)
  stand-in database --listen <host:port> [--postgres <host:port>] [--file <file>]

With RUN_MAIN=true in its environment the server runs schedules and replays the
flow queue's journal when it starts. SIGTERM and SIGINT end it as they end
gunicorn; a second one kills it. With --postgres the database also serves the flow
queue's journal in PostgreSQL's protocol, to role and database "omflow"; the server
writes that address into the settings.py of a home folder that has none. "install"
fills the home folder and ends, for an agent that reads settings.py before it starts
the server.

Flags:
`

// Main runs a stand-in, or a database for stand-ins, until it gets SIGTERM or
// SIGINT, or only fills a stand-in's home folder, and returns the program's exit
// code: 0 after a signal, 1 when it could not start, 2 for wrong arguments. Its address goes to standard output when it
// serves, everything else to standard error.
func Main(args []string) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	return run(args, signals, os.Getenv, os.Stdout, os.Stderr)
}

// run is Main without the process around it.
func run(args []string, signals <-chan os.Signal, getenv func(string) string, stdout, stderr io.Writer) int {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	start := serverFlags
	install := false
	if len(args) > 0 {
		switch args[0] {
		case "database":
			start, args = databaseFlags, args[1:]
		case "install":
			install, args = true, args[1:]
		}
	}
	flags := flag.NewFlagSet("stand-in", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	p := start(flags, log, getenv("RUN_MAIN") == "true")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "unexpected argument %q\n", flags.Arg(0))
		return exitUsage
	}
	if err := p.validate(); err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if install {
		if err := p.install(); err != nil {
			fmt.Fprintln(stderr, err)
			return exitFailed
		}
		return exitOK
	}
	address, err := p.start()
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	fmt.Fprintln(stdout, address)
	<-signals
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.stop(ctx) }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				fmt.Fprintln(stderr, err)
				return exitFailed
			}
			return exitOK
		case <-signals:
			cancel()
		}
	}
}

// program is what run runs.
type program struct {
	validate func() error
	install  func() error // of a server only
	start    func() (address string, err error)
	stop     func(context.Context) error
}

// Install fills the home folder of a stand-in as its start does: what is there
// stays. The database need not be up.
func Install(cfg standin.Config) error {
	s, err := standin.NewServer(cfg)
	if err != nil {
		return err
	}
	s.Kill()
	return nil
}

func serverFlags(flags *flag.FlagSet, log *slog.Logger, runMain bool) program {
	cfg := standin.Config{RunMain: runMain, Logger: log}
	flags.StringVar(&cfg.Listen, "listen", "", "address host:port to serve at")
	flags.StringVar(&cfg.Home, "home", "", "folder of the server's code and uploads, filled when empty")
	flags.StringVar(&cfg.Database, "database", "", "address host:port of the database, or the URL postgres://… of a PostgreSQL that has the tables")
	flags.StringVar(&cfg.Postgres, "postgres", "", "address host:port of the database for clients of PostgreSQL, for settings.py")
	flags.StringVar(&cfg.PostgresPassword, "postgres-password", "", "password for that address, for settings.py")
	flags.StringVar(&cfg.Name, "name", "", "the server's name (default: the listen address)")
	flags.StringVar(&cfg.SecretKey, "secret-key", "stand-in", "signs sessions; the same on all servers")
	flags.IntVar(&cfg.Threads, "threads", standin.DefaultThreads, "requests worked on at once")
	flags.Float64Var(&cfg.TimeScale, "time-scale", 1, "multiplies the time that requests take; 0: none")
	flags.DurationVar(&cfg.KeepAlive, "keep-alive", 2*time.Second, "how long an idle connection is kept")
	flags.DurationVar(&cfg.Linger, "linger", 2*time.Second, "how long the process stays after the last request when it is stopped")
	flags.BoolVar(&cfg.Instruments, "instruments", false, "serve counters and fault injection under /__testbed/")
	var s *standin.Server
	return program{
		validate: func() error {
			if cfg.Name == "" {
				cfg.Name = cfg.Listen
			}
			return cfg.Validate()
		},
		install: func() error { return Install(cfg) },
		start: func() (string, error) {
			var err error
			if s, err = standin.NewServer(cfg); err != nil {
				return "", err
			}
			if err := s.Start(); err != nil {
				return "", err
			}
			return s.URL(), nil
		},
		stop: func(ctx context.Context) error {
			s.Stop(ctx)
			return nil
		},
	}
}

func databaseFlags(flags *flag.FlagSet, log *slog.Logger, _ bool) program {
	cfg := database.Config{Logger: log}
	flags.StringVar(&cfg.Listen, "listen", "", "loopback address host:port to serve at")
	flags.StringVar(&cfg.Postgres, "postgres", "", "loopback address host:port for clients of PostgreSQL")
	flags.StringVar(&cfg.PostgresPassword, "postgres-password", "", "password that these clients need (default: none)")
	flags.StringVar(&cfg.File, "file", "", "keep the data here (default: in memory only)")
	var s *database.Server
	return program{
		validate: func() error { return cfg.Validate() },
		start: func() (string, error) {
			var err error
			if s, err = database.NewServer(cfg); err != nil {
				return "", err
			}
			if err := s.Start(); err != nil {
				return "", errors.Join(err, s.Close())
			}
			return s.Addr(), nil
		},
		stop: func(context.Context) error { return s.Close() },
	}
}
