package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/omflow/booster/internal/testbed/database"
)

// Workers is how many tickets run their steps at once: OMFLOW's setting
// pool_max_worker as shipped.
const Workers = 10

// Config says where an engine's state is.
type Config struct {
	// Home is OMFLOW's folder. An empty or missing one is filled as OMFLOW is
	// shipped, with the flows of [Shipped].
	Home string
	// Database is the address that workers connect to, as database.Dial takes it.
	Database string
	// SecretKey, Postgres and PostgresPassword go into the settings.py of a home
	// folder that has none; Postgres is the address host:port at which the database
	// speaks PostgreSQL's protocol. The engine itself needs none of them.
	SecretKey, Postgres, PostgresPassword string
	// Queries is the database as requests reach it.
	Queries database.Queries
	// RunMain starts the schedules and replays the journal, as OMFLOW does with
	// RUN_MAIN=true in its environment.
	RunMain bool
	// Logger gets what OMFLOW writes to its own log. Required.
	Logger *slog.Logger
}

// Refusal is a request that cannot be done. Its text is OMFLOW's message in
// Traditional Chinese, to be translated, or a Python exception's text.
type Refusal string

// Error implements error.
func (r Refusal) Error() string { return string(r) }

// ErrLost is returned when OMFLOW would report a new ticket that does not exist.
var ErrLost = errors.New("ticket silently lost: the flow's model class is not loaded")

// Engine moves tickets along flows. Its methods may be called by any number of
// goroutines once Start has returned.
type Engine struct {
	cfg  Config
	db   database.Queries
	home *os.Root
	done chan struct{}
	wg   sync.WaitGroup
	kill sync.Once

	mu     sync.Mutex
	flows  map[string]database.Flow // by UUID: deployed, as this process knows it
	models map[string]bool          // by UUID: classes loaded
	code   map[codeKey][]database.Step
	conns  []*database.Conn
	// What one process has of the settings that all share.
	sidebar    []SidebarItem
	parameters map[string]string
	ldapBusy   bool
	logLevel   string

	queue     queue
	schedules schedules
}

type codeKey struct {
	uuid    string
	version int
}

// New prepares the home folder.
func New(cfg Config) (*Engine, error) {
	if cfg.Home == "" || cfg.Logger == nil || cfg.Queries.Caller == nil {
		return nil, errors.New("an engine needs a home folder, a database and a logger")
	}
	if err := install(cfg); err != nil {
		return nil, err
	}
	home, err := os.OpenRoot(cfg.Home)
	if err != nil {
		return nil, fmt.Errorf("opening the home folder: %w", err)
	}
	e := &Engine{
		cfg:   cfg,
		db:    cfg.Queries,
		home:  home,
		done:  make(chan struct{}),
		flows: map[string]database.Flow{},
		code:  map[codeKey][]database.Step{},

		parameters: map[string]string{},
	}
	e.queue.changed = sync.NewCond(&e.queue.mu)
	e.schedules.jobs = map[int][]chan struct{}{}
	return e, nil
}

// Start loads flows and classes and starts the workers and, with RunMain, the
// replay and the schedules. After an error the engine must still be killed.
func (e *Engine) Start() error {
	flows, err := e.db.Flows()
	if err != nil {
		return fmt.Errorf("loading flows: %w", err)
	}
	models, err := loadModels(e.home)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.models = models
	for _, f := range flows {
		if !f.Undeployed {
			e.flows[f.UUID] = f
		}
	}
	e.mu.Unlock()
	if err := e.loadSettings(); err != nil {
		return err
	}
	if err := e.loadParameters(); err != nil {
		return err
	}
	for range Workers {
		conn, err := e.connect()
		if err != nil {
			return err
		}
		e.wg.Go(func() { e.work(database.Queries{Caller: conn}) })
	}
	if !e.cfg.RunMain {
		return nil
	}
	journal, err := e.db.Queue()
	if err != nil {
		return fmt.Errorf("reading the flow queue's journal: %w", err)
	}
	for _, item := range journal {
		e.queue.push(item)
	}
	return e.startSchedules()
}

// connect opens a connection that lives as long as the process.
func (e *Engine) connect() (*database.Conn, error) {
	conn, err := database.Dial(e.cfg.Database)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conns = append(e.conns, conn)
	return conn, nil
}

// Kill ends the engine at once, as SIGKILL does, and waits for its goroutines.
// It may be called more than once.
func (e *Engine) Kill() {
	e.kill.Do(func() {
		close(e.done)
		e.schedules.mu.Lock()
		e.schedules.running = false // no job starts from here on
		e.schedules.mu.Unlock()
		e.mu.Lock()
		for _, c := range e.conns {
			c.Close()
		}
		e.mu.Unlock()
		e.queue.close()
		e.wg.Wait()
		e.home.Close()
	})
}

// Flow returns a flow as this process knows it.
func (e *Engine) Flow(uuid string) (database.Flow, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f, ok := e.flows[uuid]
	return f, ok
}

// FlowByPath returns the flow with that name in the REST API.
func (e *Engine) FlowByPath(apiPath string) (database.Flow, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.flows {
		if f.APIPath == apiPath {
			return f, true
		}
	}
	return database.Flow{}, false
}

// Flows returns the flows this process knows, by ID.
func (e *Engine) Flows() []database.Flow {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]database.Flow, 0, len(e.flows))
	for _, f := range e.flows {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b database.Flow) int { return a.ID - b.ID })
	return list
}

// HasModel tells whether the class of the flow's table is loaded.
func (e *Engine) HasModel(uuid string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.models[uuid]
}

// steps returns the code of a flow. It is read from the home folder once and
// then kept, as Python keeps an imported module.
func (e *Engine) steps(f database.Flow) ([]database.Step, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := codeKey{f.UUID, f.Version}
	if s, ok := e.code[key]; ok {
		return s, nil
	}
	s, err := loadCode(e.home, f.UUID, f.Version)
	if err != nil {
		return nil, err
	}
	e.code[key] = s
	return s, nil
}

// sleep waits and tells whether the process still lives.
func (e *Engine) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-e.done:
		return false
	}
}
