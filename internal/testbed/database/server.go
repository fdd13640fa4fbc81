package database

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/rpc"
	"sync"
	"time"
)

// saveEvery is how long a change may stay only in memory.
const saveEvery = time.Second

// acceptPause keeps a failing accept from spinning.
const acceptPause = 50 * time.Millisecond

// Config says where the database listens and what it keeps.
type Config struct {
	// Listen is the address host:port, a loopback address: the database trusts
	// whoever connects. Port 0 takes a free one, kept over Stop and Start.
	Listen string
	// File keeps the state over restarts of the process. Empty: memory only.
	File string
	// Logger gets a line when the file cannot be written. Required.
	Logger *slog.Logger
}

// Validate tells what is wrong with the configuration.
func (c Config) Validate() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("parsing the listen address %q: %w", c.Listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen address %q is not a loopback address, and the database has no passwords", c.Listen)
	}
	if c.Logger == nil {
		return errors.New("a database needs a logger")
	}
	return nil
}

// Server is the database. Its methods may be called from any goroutine.
type Server struct {
	cfg   Config
	store *store
	rpc   *rpc.Server
	wg    sync.WaitGroup // connections and the accept loop
	saver sync.WaitGroup
	done  chan struct{}

	mu       sync.Mutex
	addr     string
	listener net.Listener
	conns    map[net.Conn]struct{}
	closed   bool
}

// NewServer reads the file, if there is one, and returns a database that is
// still down: Start brings it up.
func NewServer(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg:   cfg,
		store: &store{state: newState()},
		rpc:   rpc.NewServer(),
		done:  make(chan struct{}),
		addr:  cfg.Listen,
		conns: map[net.Conn]struct{}{},
	}
	if cfg.File != "" {
		if err := s.store.load(cfg.File); err != nil {
			return nil, err
		}
		s.saver.Go(s.saveLoop)
	}
	if err := s.rpc.RegisterName("Database", service{s.store}); err != nil {
		return nil, fmt.Errorf("registering the database's calls: %w", err)
	}
	return s, nil
}

// Start listens. It fails when the address is taken or the database is up.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil || s.closed {
		return errors.New("the database is up already, or closed")
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listening for database connections: %w", err)
	}
	s.listener, s.addr = l, l.Addr().String()
	s.wg.Go(func() { s.accept(l) })
	return nil
}

// Addr is the address host:port to connect to; with port 0 in Config it is
// known after the first Start.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Stop takes the database down: it refuses connections, and those that are
// open break. The state stays. It returns when the last connection is gone.
func (s *Server) Stop() {
	s.mu.Lock()
	if s.listener != nil {
		s.listener.Close()
		s.listener = nil
	}
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Close stops the database for good and writes its file.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.Stop()
	close(s.done)
	s.saver.Wait()
	if s.cfg.File == "" {
		return nil
	}
	return s.store.save(s.cfg.File)
}

func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		s.mu.Lock()
		if s.listener != l { // stopped
			s.mu.Unlock()
			if err == nil {
				c.Close()
			}
			return
		}
		if err != nil { // out of file descriptors, most likely: it may pass
			s.mu.Unlock()
			s.cfg.Logger.Error("database connection not accepted", "error", err)
			select {
			case <-s.done:
				return
			case <-time.After(acceptPause):
			}
			continue
		}
		s.conns[c] = struct{}{}
		s.wg.Go(func() {
			s.rpc.ServeConn(c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
		s.mu.Unlock()
	}
}

func (s *Server) saveLoop() {
	t := time.NewTicker(saveEvery)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-t.C:
			if err := s.store.save(s.cfg.File); err != nil {
				s.cfg.Logger.Error("database not saved", "error", err)
			}
		}
	}
}
