package agent

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/omflow/flows"
	pysettings "github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/supervise"
)

const (
	// pingInterval is how often the database is asked.
	pingInterval = 2 * time.Second
	// settingsInterval is how often settings.py is read again while it can't be.
	settingsInterval = 5 * time.Second
)

// Where the address of the database comes from, if it is no URL.
const (
	databaseSettings = "settings"
	databaseNone     = "none"
)

// source says where the database is.
type source struct {
	// url is the database's, or empty for that of settings.py.
	url    string
	home   string
	python string
}

func sameSource(a, b *source) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// checkDatabase refuses what can't be written after database.
func checkDatabase(s string) error {
	if s == "" || s == databaseSettings || s == databaseNone || strings.Contains(s, "{") {
		return nil // a placeholder is known only later
	}
	if _, err := database.ParseURL(s); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// data watches a server's database. A nil one watches none. changed and state belong
// to the monitor's goroutine; journal may be called from any.
type data struct {
	source source
	log    *slog.Logger
	status chan database.Status
	cancel context.CancelFunc
	done   chan struct{}
	db     atomic.Pointer[database.DB]
	flows  atomic.Pointer[flows.Directory] // nil until they were read
	// deployed has a value when the flows are to be read soon.
	deployed chan struct{}
	// restored are tickets that were put back, mourned those for which a start of the lead
	// server was asked for.
	restored, mourned tries

	// known by the monitor
	last  database.Status
	first bool // nothing was heard yet
	since time.Time
}

// watchDatabase begins to watch, until close.
func watchDatabase(src source, log *slog.Logger) *data {
	ctx, cancel := context.WithCancel(context.Background())
	d := &data{source: src, log: log, status: make(chan database.Status), deployed: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}), first: true}
	go func() {
		defer close(d.done)
		d.run(ctx)
	}()
	return d
}

func (d *data) run(ctx context.Context) {
	db := d.open(ctx)
	if db == nil {
		return // ctx has ended
	}
	defer db.Close()
	d.db.Store(db)
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() { d.readFlows(ctx, db) })
	for status := range db.Watch(ctx, pingInterval) {
		d.tell(ctx, status)
	}
}

// open finds the database's address, as often as it takes.
func (d *data) open(ctx context.Context) *database.DB {
	told := ""
	for {
		db, err := d.tryOpen(ctx)
		if err == nil {
			return db
		}
		if ctx.Err() != nil {
			return nil
		}
		if err.Error() != told {
			told = err.Error()
			d.log.Error("the database's address is not known", "error", err)
		}
		d.tell(ctx, database.Status{Err: err})
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(settingsInterval):
		}
	}
}

func (d *data) tryOpen(ctx context.Context) (*database.DB, error) {
	target, err := d.source.target(ctx)
	if err != nil {
		return nil, err
	}
	return database.Open(target)
}

// target reads where the database is.
func (s source) target(ctx context.Context) (database.Target, error) {
	if s.url != "" {
		target, err := database.ParseURL(s.url)
		if err != nil || target.Engine != database.MySQL || s.home == "" {
			return target, err
		}
		// There an account sees its own statements without more. Where the settings can't be
		// read it counts as another one, and what it does not see as not proved.
		own, err := s.own(ctx)
		target.OwnAccount = err == nil && own.Engine == target.Engine && own.User == target.User
		return target, nil
	}
	return s.own(ctx)
}

// own is the database as settings.py has it.
func (s source) own(ctx context.Context) (database.Target, error) {
	read, err := pysettings.Read(ctx, s.settings())
	target, dbErr := read.Database()
	if dbErr != nil {
		return database.Target{}, cmp.Or(err, dbErr)
	}
	return target, nil // whatever else is wrong in it is not about the database
}

// settings is how settings.py is read.
func (s source) settings() pysettings.Config {
	return pysettings.Config{File: pysettings.FileIn(s.home), Python: []string{s.python}, Env: pysettings.Environ()}
}

func (d *data) tell(ctx context.Context, s database.Status) {
	select {
	case d.status <- s:
	case <-ctx.Done():
	}
}

// close ends the watch.
func (d *data) close() {
	if d == nil {
		return
	}
	d.cancel()
	<-d.done
}

// changed gives what is new.
func (d *data) changed() <-chan database.Status {
	if d == nil {
		return nil
	}
	return d.status
}

// state is what is reported of the database.
func (d *data) state() string {
	switch {
	case d == nil || d.first:
		return ""
	case d.last.Up:
		return "up"
	default:
		return "down"
	}
}

// why says why the server has to wait for its database, or "".
func (d *data) why() string {
	switch {
	case d == nil || d.last.Up:
		return ""
	case d.first:
		return "it waits for the database's first answer"
	default:
		return bound(fmt.Sprintf("it waits for its database: %v", d.last.Err))
	}
}

// database takes what is new of the database.
func (m *monitor) database(s database.Status) {
	d := m.data
	was := d.last
	if s.Lost > was.Lost {
		d.since = time.Now()
	}
	if d.first || s.Up != was.Up {
		if s.Up {
			m.log.Info("the database answers")
		} else {
			m.log.Warn("the database does not answer", "error", s.Err)
		}
	}
	d.first, d.last = false, s
	if m.part != nil && s.Up && s.Lost > was.Lost {
		m.log.Warn("the database was away: the server's flow queue has lost its connections and is restarted in its turn")
	}
	if m.part != nil {
		m.askNow()
	}
}

// stale reports whether the process has lost database connections that it does not
// make anew, and the database is there again: OMFLOW's requests connect each time,
// the workers of its flow queue only once.
func (m *monitor) stale() bool {
	d := m.data
	if d == nil || !d.last.Up || d.since.IsZero() || m.process.State != supervise.Running {
		return false
	}
	return m.process.Since.Before(d.since)
}

// gate says why the server can't be started yet, or "".
func (m *monitor) gate() string {
	return cmp.Or(m.data.why(), m.patchGate(), m.absent())
}
