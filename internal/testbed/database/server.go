package database

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/rpc"
	"sync"
	"sync/atomic"
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
	// Postgres is the address host:port, a loopback address, at which the journal
	// is served to clients of PostgreSQL; see the package's documentation. Port 0
	// takes a free one, kept over Stop and Start. Empty: not served.
	Postgres string
	// PostgresPassword is asked of those clients. Empty: they are trusted.
	PostgresPassword string
	// File keeps the state over restarts of the process. Empty: memory only.
	File string
	// Logger gets a line when the file cannot be written. Required.
	Logger *slog.Logger
}

// Validate tells what is wrong with the configuration.
func (c Config) Validate() error {
	if err := loopback(c.Listen); err != nil {
		return err
	}
	if c.Postgres != "" {
		if err := loopback(c.Postgres); err != nil {
			return err
		}
	} else if c.PostgresPassword != "" {
		return errors.New("a password for PostgreSQL's clients needs an address for them")
	}
	if c.Logger == nil {
		return errors.New("a database needs a logger")
	}
	return nil
}

func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("parsing the listen address %q: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen address %q is not a loopback address, and the database has no rights to check", address)
	}
	return nil
}

// Server is the database. Its methods may be called from any goroutine.
type Server struct {
	cfg     Config
	store   *store
	scratch *scratch
	wg      sync.WaitGroup // connections and accept loops
	saver   sync.WaitGroup
	done    chan struct{}

	postgresClients atomic.Int32

	mu     sync.Mutex
	doors  []*door
	up     bool
	conns  map[net.Conn]struct{}
	closed bool
}

// door is an address and what is spoken there.
type door struct {
	addr     string
	serve    func(net.Conn)
	listener net.Listener
}

// NewServer reads the file, if there is one, and returns a database that is
// still down: Start brings it up.
func NewServer(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		store:   &store{state: newState()},
		scratch: newScratch(),
		done:    make(chan struct{}),
		conns:   map[net.Conn]struct{}{},
	}
	if cfg.File != "" {
		if err := s.store.load(cfg.File); err != nil {
			return nil, err
		}
	}
	calls := rpc.NewServer()
	if err := calls.RegisterName("Database", service{s.store}); err != nil {
		return nil, fmt.Errorf("registering the database's calls: %w", err)
	}
	s.doors = []*door{{addr: cfg.Listen, serve: func(c net.Conn) { calls.ServeConn(c) }}}
	if cfg.Postgres != "" {
		s.doors = append(s.doors, &door{addr: cfg.Postgres, serve: s.servePostgres})
	}
	if cfg.File != "" {
		s.saver.Go(s.saveLoop)
	}
	return s, nil
}

// Start listens. It fails when an address is taken or the database is up.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up || s.closed {
		return errors.New("the database is up already, or closed")
	}
	for _, d := range s.doors {
		l, err := net.Listen("tcp", d.addr)
		if err != nil {
			s.shut()
			return fmt.Errorf("listening for database connections: %w", err)
		}
		d.listener, d.addr = l, l.Addr().String()
	}
	s.up = true
	for _, d := range s.doors {
		l := d.listener
		s.wg.Go(func() { s.accept(l, d) })
	}
	return nil
}

// Addr is the address host:port to connect to; with port 0 in Config it is
// known after the first Start.
func (s *Server) Addr() string { return s.doorAddr(0) }

// PostgresAddr is the address host:port for clients of PostgreSQL, or nothing
// without Config.Postgres; with port 0 there it is known after the first Start.
func (s *Server) PostgresAddr() string { return s.doorAddr(1) }

func (s *Server) doorAddr(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= len(s.doors) {
		return ""
	}
	return s.doors[i].addr
}

// Stop takes the database down: it refuses connections, and those that are
// open break. The state stays. It returns when the last connection is gone.
func (s *Server) Stop() {
	s.mu.Lock()
	s.up = false
	s.shut()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// shut closes the listeners; s.mu is held.
func (s *Server) shut() {
	for _, d := range s.doors {
		if d.listener != nil {
			d.listener.Close()
			d.listener = nil
		}
	}
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

func (s *Server) accept(l net.Listener, d *door) {
	for {
		c, err := l.Accept()
		s.mu.Lock()
		if d.listener != l { // stopped
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
			defer c.Close()
			d.serve(c)
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
