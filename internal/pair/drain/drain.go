package drain

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/omflow/booster/internal/pair/vip"
)

const (
	// longRequest is how long a request may be in flight when the door is held. An
	// OMFLOW Server answers most in less than half of it.
	longRequest = 500 * time.Millisecond

	// silent is how long a connection must be idle to be closed without having been
	// told: OMFLOW's pages send a request every 5 s.
	silent = 6 * time.Second

	// spareTime is for how long clients are told before idle connections are closed, if
	// there are any. A client of many requests takes one of its idle connections for each
	// of them, since none is kept: by then it has none.
	spareTime = 2 * time.Second

	// firstRequest is how long a new connection may take to send its first request: a
	// TLS handshake and the request from a client that is 150 ms away.
	firstRequest = 500 * time.Millisecond

	// heldTime is for how long the door is held at most, the first time for a third of
	// it and then for two thirds: who comes meanwhile waits for a second, so it is held
	// for no longer than is of use. It is less than a second, when clients' kernels
	// knock again.
	heldTime = 900 * time.Millisecond

	// openTime is for how long the door is open before it is held again, so that those
	// who waited get in.
	openTime = time.Second

	// lookEvery is how often it is looked how far it is.
	lookEvery = 5 * time.Millisecond

	// copyTime bounds the copying of what the other booster must know.
	copyTime = 300 * time.Millisecond
)

// Config says what is drained.
type Config struct {
	// Address is the virtual IP. *vip.Address is one.
	Address Address
	// Visits are the connections that HTTP servers have to it.
	Visits *Visits
	// Ports returns the ports that HTTP servers listen on. It is called before each
	// holding of the door.
	Ports func() []uint16
	// Closing has each answer say that its connection ends, until stop is called.
	Closing func() (stop func())
	// Copy copies to the other booster what it must know of the last requests. It must
	// end with ctx. Default: nothing.
	Copy func(ctx context.Context) error
	// Logger is told how long it took and what was cut. Default: slog.Default.
	Logger *slog.Logger
}

// Address is a virtual IP of this machine; see vip.Address.
type Address interface {
	Hold(ports []uint16) (release func() error, err error)
	Connections(ports []uint16) (vip.Connections, error)
	Reset(ports []uint16) (int, error)
}

// Validate says what is missing.
func (c Config) Validate() error {
	if c.Address == nil || c.Visits == nil || c.Ports == nil || c.Closing == nil {
		return errors.New("drain: address, visits, ports and closing are needed")
	}
	return nil
}

// Drain empties a virtual IP. Its methods must not be called concurrently.
type Drain struct {
	cfg         Config
	stopClosing func() // nil: not begun
	release     func() error
}

// New returns a Drain that has done nothing yet.
func New(c Config) (*Drain, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Copy == nil {
		c.Copy = func(context.Context) error { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Drain{cfg: c}, nil
}

// Run returns when the address has no connections and new ones wait, or when there is no
// more time to wait for that: ctx's deadline, if it has one. It returns at once when ctx
// is cancelled. End must follow in any case.
func (d *Drain) Run(ctx context.Context) {
	began := time.Now()
	d.stopClosing = d.cfg.Closing()
	for limit := heldTime / 3; ; limit = min(limit+heldTime/3, heldTime) {
		d.settle(ctx, began)
		if ctx.Err() != nil || d.hold(ctx, began, limit) || ctx.Err() != nil {
			return
		}
		wait(ctx, openTime)
	}
}

// End undoes what Run has done: new connections are let in, and connections are kept
// again.
func (d *Drain) End() {
	d.open()
	if d.stopClosing != nil {
		d.stopClosing()
		d.stopClosing = nil
	}
}

// settle waits until the door may be held, or must be.
func (d *Drain) settle(ctx context.Context, began time.Time) {
	for !d.last(ctx, lookEvery) && !d.cfg.Visits.settled(time.Since(began)) {
		wait(ctx, lookEvery)
	}
}

// last reports whether the door, if it is held after a while, can't be held once more.
func (d *Drain) last(ctx context.Context, after time.Duration) bool {
	end, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(end)-after <= heldTime+copyTime
}

// hold holds the door, for as long as the limit says if it can be held once more, and
// reports whether the address may move.
func (d *Drain) hold(ctx context.Context, began time.Time, limit time.Duration) bool {
	held := time.Now()
	ports := d.cfg.Ports()
	var err error
	if d.release, err = d.cfg.Address.Hold(ports); err != nil {
		d.cfg.Logger.Warn("new connections can't wait for a planned failover: some may break", "error", err)
		return true
	}
	last := d.last(ctx, limit+openTime)
	if last {
		limit = heldTime
	}
	clean := 0
	for clean < 2 && time.Since(held) < limit && ctx.Err() == nil {
		left, err := d.left(ports)
		if err != nil {
			d.cfg.Logger.Warn("the connections to the virtual IP are not known: some may break", "error", err)
			return true
		}
		// A connection that is being accepted is, for some microseconds, neither loose nor
		// among the visits.
		if clean++; left > 0 {
			clean = 0
		}
		wait(ctx, lookEvery)
	}
	if clean < 2 && !last || errors.Is(ctx.Err(), context.Canceled) {
		d.open()
		return false
	}
	copying, cancel := context.WithTimeout(ctx, copyTime)
	defer cancel()
	if err := d.cfg.Copy(copying); err != nil {
		d.cfg.Logger.Warn("the other booster was not told the last changes before a planned failover", "error", err)
	}
	cut, err := d.cfg.Address.Reset(ports)
	if err != nil {
		d.cfg.Logger.Warn("connections that don't end can't be reset", "error", err)
	}
	d.cfg.Logger.Info("drained for a planned failover", "took", held.Sub(began), "held", time.Since(held), "cut", cut)
	return true
}

// left closes what may be closed and returns how many connections there are left that
// may end by themselves.
func (d *Drain) left(ports []uint16) (int, error) {
	if n := d.cfg.Visits.close(); n > 0 {
		return n, nil
	}
	open, err := d.cfg.Address.Connections(ports)
	if err != nil {
		return 0, err
	}
	return open.Loose + d.cfg.Visits.close(), nil // of which some may just have been accepted
}

// open lets new connections in.
func (d *Drain) open() {
	if d.release == nil {
		return
	}
	if err := d.release(); err != nil {
		d.cfg.Logger.Error("listeners that hold connections can't be closed", "error", err)
	}
	d.release = nil
}

// wait waits for a while, or until ctx is done.
func wait(ctx context.Context, while time.Duration) {
	select {
	case <-time.After(while):
	case <-ctx.Done():
	}
}
