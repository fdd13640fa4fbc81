package dbprocess

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/ports"
)

// ErrMissing means that the database server is not installed on this machine.
var ErrMissing = errors.New("not installed")

// RequiredEnv, set to anything, makes a database that is not installed a failure.
const RequiredEnv = "OMFLOW_TEST_DATABASES"

const (
	// startTime bounds how long a server may take to answer.
	startTime = time.Minute
	// stopTime bounds how long a server may take to end.
	stopTime = 10 * time.Second
	// pollPeriod is how often a server that starts is asked.
	pollPeriod = 20 * time.Millisecond
	// mostLog is how much of a log's end an error has, in bytes.
	mostLog = 4 << 10
)

// Config says where a server listens and whom it lets in.
type Config struct {
	// Port is where it listens on 127.0.0.1. Default a free one.
	Port int
	// Trust lets everyone sign in at that address without a password. Default: accounts
	// need theirs. The administrator signs in over the socket without one.
	Trust bool
}

// Validate tells what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("port %d of a database server is none", c.Port)
	}
	return nil
}

// Server is one database server. Its methods are for one goroutine at a time.
type Server struct {
	cfg   Config
	dir   string
	user  string
	serve []string // the command that runs it
	ready func(context.Context, *Server) error
	// ending is what it says when processes of the one before are still ending; "": nothing.
	ending string

	cmd    *exec.Cmd // nil: it is down
	exited chan struct{}
}

// newServer makes a folder for the server's account.
func newServer(cfg Config, user string) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Port == 0 {
		port, err := ports.Free()
		if err != nil {
			return nil, err
		}
		cfg.Port = port
	}
	// Not below a test's own folder, which no other account can reach.
	dir, err := os.MkdirTemp("", "omflow-db-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for a database server: %w", err)
	}
	s := &Server{cfg: cfg, dir: dir, user: user}
	if err := giveTo(dir, user); err != nil {
		return nil, errors.Join(fmt.Errorf("giving the folder to %s: %w", user, err), s.Remove())
	}
	return s, nil
}

// Port is where it listens on 127.0.0.1.
func (s *Server) Port() int { return s.cfg.Port }

// Address is that as host:port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.Port)) }

// Dir is its folder, in which the file "log" has all that it says.
func (s *Server) Dir() string { return s.dir }

// data is the folder with its files.
func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Options adds options to its command, from the next Start on.
func (s *Server) Options(options ...string) { s.serve = append(s.serve, options...) }

// Remove stops the server at once, if it is up, and removes its folder.
func (s *Server) Remove() error {
	s.Stop(os.Kill)
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("removing a database server's folder: %w", err)
	}
	return nil
}

// Start brings the server up and returns when it answers. Where it finds that processes of
// the one before, which was killed, are still ending, it is started again.
func (s *Server) Start(ctx context.Context) error {
	if s.cmd != nil {
		return errors.New("the database server is up already")
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		before, _ := os.ReadFile(s.log()) // not there the first time
		ended, err := s.start(ctx)
		log, _ := os.ReadFile(s.log())
		if !ended || s.ending == "" || !bytes.Contains(log[min(len(before), len(log)):], []byte(s.ending)) {
			return err
		}
		select {
		case <-time.After(pollPeriod):
		case <-ctx.Done():
			return err
		}
	}
}

// start starts the server once. ended reports that it has ended by itself.
func (s *Server) start(ctx context.Context) (ended bool, err error) {
	cmd, log, err := s.command(s.serve[0], s.serve[1:]...)
	if err != nil {
		return false, err
	}
	defer log.Close() // the child has its own
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("starting %s: %w", s.serve[0], err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // killed or not, it is gone
		close(exited)
	}()
	s.cmd, s.exited = cmd, exited
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		err := s.ready(ctx, s)
		if err == nil {
			return false, nil
		}
		select {
		case <-tick.C:
		case <-exited:
			s.cmd = nil
			return true, fmt.Errorf("%s ended at once: %s", s.serve[0], s.Log())
		case <-ctx.Done():
			s.Stop(os.Kill)
			return false, fmt.Errorf("%s does not answer: %w: %s", s.serve[0], err, s.Log())
		}
	}
}

// Stop sends the signal and returns when the server has ended; one that does not end
// within 10 s is killed. A server that is down stays so.
func (s *Server) Stop(signal os.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(signal) // fails only when it is gone
	select {
	case <-s.exited:
	case <-time.After(stopTime):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	s.cmd = nil
}

// Log is the end of what the server has said.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.log())
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-mostLog):])
}

func (s *Server) log() string { return filepath.Join(s.dir, "log") }

// run runs a program that prepares the server to its end.
func (s *Server) run(program string, args ...string) error {
	cmd, log, err := s.command(program, args...)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, s.Log())
	}
	return nil
}

// command is one that writes to the server's log, as the server's account.
func (s *Server) command(program string, args ...string) (*exec.Cmd, *os.File, error) {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("opening a database server's log: %w", err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	cmd.Stdout, cmd.Stderr = log, log
	runAs(cmd, s.user)
	return cmd, log, nil
}

// Need ends the test where the error says that there is no server: it is skipped where
// the server is not installed and nobody requires it.
func Need(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case errors.Is(err, ErrMissing) && os.Getenv(RequiredEnv) == "":
		t.Skipf("%s is not installed here", what)
	case err != nil:
		t.Fatalf("start %s: %v", what, err)
	}
}
