package standin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/instrument"
	"github.com/omflow/booster/internal/testbed/interpreter"
)

const (
	// graceful is how long Stop lets requests in flight finish: gunicorn's
	// graceful_timeout.
	graceful = 30 * time.Second
	// headerTimeout bounds how long a connection may take to send a request's
	// head.
	headerTimeout = 30 * time.Second
	// maxHeader is about what gunicorn accepts: 100 fields of 8190 bytes.
	maxHeader = 800 << 10
)

// Server is one stand-in. Its methods may be called from any goroutine.
type Server struct {
	cfg    Config
	log    *slog.Logger
	db     database.Queries
	pool   *database.Pool
	engine *engine.Engine
	tokens *tokens
	time   *interpreter.Interpreter
	slots  chan struct{} // one for each thread
	done   chan struct{}
	inst   *instrument.Instruments

	// handlers is held for reading by every request; Kill waits with it.
	handlers sync.RWMutex
	serving  sync.WaitGroup
	kill     sync.Once

	mu       sync.Mutex
	addr     string
	http     *http.Server
	started  bool
	stopping bool
}

// NewServer prepares a stand-in and fills its home folder.
func NewServer(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Threads == 0 {
		cfg.Threads = DefaultThreads
	}
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = 2 * time.Second
	}
	s := &Server{
		cfg:   cfg,
		log:   cfg.Logger.With("server", cfg.Name),
		pool:  database.NewPool(cfg.Database),
		slots: make(chan struct{}, cfg.Threads),
		done:  make(chan struct{}),
		addr:  cfg.Listen,
	}
	s.db = database.Queries{Caller: s.pool}
	s.time = interpreter.New(s.done)
	s.tokens = newTokens()
	s.inst = instrument.New(instrument.Config{
		Health: []string{"/rest/x", "/accounts/api/agree/get/"},
		Serve:  cfg.Instruments,
		Door:   door{s},
		Done:   s.done,
		Logger: cfg.Logger,
	})
	var err error
	s.engine, err = engine.New(engine.Config{
		Home: cfg.Home, Database: cfg.Database, Queries: s.db, RunMain: cfg.RunMain, Logger: s.log,
		SecretKey: cfg.SecretKey, Postgres: cfg.Postgres, PostgresPassword: cfg.PostgresPassword,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the flow engine: %w", err)
	}
	return s, nil
}

// Start loads what OMFLOW loads at its start and serves. It fails when the
// database is down or the address is taken; the server is then dead.
func (s *Server) Start() error {
	s.mu.Lock()
	if s.started {
		s.mu.Unlock()
		return errors.New("the stand-in was started already")
	}
	s.started = true
	s.mu.Unlock()
	err := engine.Seed(s.db)
	if err == nil {
		err = s.engine.Start()
	}
	if err == nil {
		err = s.open()
	}
	if err != nil {
		s.Kill()
		return fmt.Errorf("starting stand-in %s: %w", s.cfg.Name, err)
	}
	s.log.Info("stand-in started", "address", s.Addr(), "run_main", s.cfg.RunMain)
	return nil
}

// Addr is the address host:port it serves at; with port 0 in Config it is known
// after Start.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// URL is the address as a URL without a path.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Name is the server's name.
func (s *Server) Name() string { return s.cfg.Name }

// Instruments are the server's counters and its fault injection.
func (s *Server) Instruments() *instrument.Instruments { return s.inst }

// Stop ends the server as SIGTERM ends gunicorn: it takes no new connections,
// requests in flight finish, for at most 30 s, and after Config.Linger it is
// gone. Steps of tickets run on until then and are cut off. When ctx ends the
// rest is killed.
func (s *Server) Stop(ctx context.Context) {
	s.mu.Lock()
	s.stopping = true
	h := s.http
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, graceful)
	defer cancel()
	if h != nil {
		if err := h.Shutdown(ctx); err != nil {
			s.log.Warn("requests in flight were cut off", "error", err)
		}
	}
	linger := time.NewTimer(s.cfg.Linger)
	defer linger.Stop()
	select {
	case <-linger.C:
	case <-ctx.Done():
	case <-s.done:
	}
	s.Kill()
}

// Kill ends the server as SIGKILL does: connections break, requests and steps end
// where they are, nothing is written any more. It returns when all goroutines
// are gone, and may be called more than once.
func (s *Server) Kill() {
	s.kill.Do(func() {
		s.mu.Lock()
		s.stopping = true
		s.mu.Unlock()
		close(s.done)
		s.pool.Close()
		s.engine.Kill()
		s.shut()
		s.handlers.Lock() // waits for the last request
		defer s.handlers.Unlock()
		s.serving.Wait()
		s.log.Info("stand-in ended")
	})
}

// open listens and serves. The address stays the same over shut and open.
func (s *Server) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || s.http != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s.addr = l.Addr().String()
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       s.cfg.KeepAlive,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.http = h
	s.serving.Go(func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serving ended", "error", err)
		}
	})
	return nil
}

// shut closes the listener and every connection.
func (s *Server) shut() {
	s.mu.Lock()
	h := s.http
	s.http = nil
	s.mu.Unlock()
	if h != nil {
		h.Close() // reports only what the listener's close does
	}
}

// door lets the instruments refuse connections.
type door struct{ s *Server }

// Open implements instrument.Door.
func (d door) Open() error { return d.s.open() }

// Shut implements instrument.Door.
func (d door) Shut() { d.s.shut() }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handlers.RLock()
	defer s.handlers.RUnlock()
	if s.killed() {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Server", "gunicorn")
	w.Header().Set("X-Stand-In", s.cfg.Name)
	s.inst.Serve(w, r, s.work)
}

func (s *Server) killed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
