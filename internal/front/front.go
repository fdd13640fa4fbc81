package front

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/omflow/token"
	"github.com/omflow/booster/internal/proxy"
	"github.com/omflow/booster/internal/rollout/owners"
)

// Defaults of Config.
const (
	DefaultCookie      = "omflow_server"
	DefaultIdle        = 30 * time.Minute
	DefaultMaxAge      = 12 * time.Hour
	DefaultQueueWait   = 30 * time.Second
	DefaultAttempts    = 3
	DefaultRetryBudget = 20.0
	DefaultMaxBody     = 64_000_000

	// noServerWait bounds how long a request that somebody waits for stays in the
	// queue while no server is up. A restart of OMFLOW takes 1 to 2 s.
	noServerWait = 10 * time.Second
)

// Config is what a Front is told.
type Config struct {
	// Fleet are the servers. Required.
	Fleet *fleet.Fleet
	// Table classifies requests. Required.
	Table *omflow.Table
	// Plain is true for servers that are no OMFLOW: all requests are sticky, none
	// belongs to the lead server, and the place of a client that went away is free at
	// once.
	Plain bool
	// QueueWait bounds the time in the queue. Default 30s.
	QueueWait time.Duration
	// Cookie is the sticky cookie's name. Default omflow_server.
	Cookie string
	// Idle is how long a session stays on its server without a request, MaxAge how
	// long at most. Defaults 30m and 12h.
	Idle, MaxAge time.Duration
	// Keys sign the sticky cookies. Required.
	Keys *balance.StickyKeys
	// Tokens makes REST tokens good on all servers. Default: they are passed on as
	// they are.
	Tokens *token.Broker
	// Controlled, if not nil, is called with the lead server's name when a control
	// request has changed something there, or may have: before its client gets the
	// answer, so that one that reads what it wrote is not sent to a server that has not
	// seen it; and when nobody knows whether it was carried out. It may be called twice
	// for one request, the second time when the server has ended its work on one that
	// nobody waits for any more. It must not block.
	Controlled func(server string)
	// Files keeps creates with files of one flow apart. All handlers before the same
	// servers share it. Default: one of this Front's own.
	Files *FileGate
	// TakeTurn takes a create's turn at the gate of another process, after its turn at
	// Files. Default: Files is all there is.
	TakeTurn TakeTurn
	// Flows returns what is known of the deployed flows, of which those that pause go to
	// the lead server; nil for nothing. It must not block. Default: nothing is known.
	Flows func() *flows.Directory
	// Owners is told which server got which ticket. Default: nobody is told.
	Owners *owners.Book
	// Created notes creates on their way and the numbers that their clients were told.
	// Default: nothing is noted.
	Created *created.Book
	// Seek finds out what became of a create whose server died. It needs Created. Default:
	// nobody knows.
	Seek Seek
	// Attempts is how many times a request is sent at most. Default 3.
	Attempts int
	// Retries bounds how many requests are sent again. Required.
	Retries *balance.RetryBudget
	// MaxBody is the largest request body, in bytes. Default 64 MB.
	MaxBody int64
	// DialTimeout and ResponseTimeout are for upgrades; all else uses the Fleet's.
	DialTimeout, ResponseTimeout time.Duration
	// BodyDir is where larger bodies wait. Default: the system's folder for
	// temporary files.
	BodyDir string
	// Active reports whether this booster is the active one. Required.
	Active func() bool
	// Logger is told what operators should know. Required.
	Logger *slog.Logger
}

// Validate refuses what cannot work. Zero values stand for the defaults.
func (c Config) Validate() error {
	if c.Fleet == nil || c.Table == nil || c.Keys == nil || c.Retries == nil || c.Active == nil || c.Logger == nil {
		return errors.New("front: a part is missing")
	}
	if c.Seek != nil && c.Created == nil {
		return errors.New("front: creates are looked for, and not noted")
	}
	if c.DialTimeout < 0 || c.ResponseTimeout < 0 || c.QueueWait < 0 || c.Idle < 0 || c.MaxAge < 0 || c.Attempts < 0 || c.MaxBody < 0 {
		return errors.New("front: durations, attempts and max_body must not be negative")
	}
	if c.Cookie != "" {
		if err := (&http.Cookie{Name: c.Cookie, Value: "x"}).Valid(); err != nil {
			return fmt.Errorf("front: %q can't be a cookie's name: use letters, digits, - and _", c.Cookie)
		}
	}
	return nil
}

// Front is one front door. Any number of goroutines may call Serve.
type Front struct {
	cfg     Config
	upgrade *upgrader
	stall   time.Duration // stallTime
	// ids makes request IDs unlike those of another process.
	idPrefix uint64
	idNext   atomic.Uint64
}

// New returns a Front.
func New(cfg Config) (*Front, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	def := func(d *time.Duration, byDefault time.Duration) {
		if *d == 0 {
			*d = byDefault
		}
	}
	def(&cfg.QueueWait, DefaultQueueWait)
	def(&cfg.Idle, DefaultIdle)
	def(&cfg.MaxAge, DefaultMaxAge)
	if cfg.Cookie == "" {
		cfg.Cookie = DefaultCookie
	}
	def(&cfg.DialTimeout, proxy.DefaultDialTimeout)
	def(&cfg.ResponseTimeout, proxy.DefaultResponseTimeout)
	if cfg.Attempts == 0 {
		cfg.Attempts = DefaultAttempts
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.Files == nil {
		cfg.Files = NewFileGate()
	}
	f := &Front{cfg: cfg, stall: stallTime, idPrefix: rand.Uint64()}
	f.upgrade = newUpgrader(f)
	return f, nil
}

// Client is what the owner knows of who sent a request.
type Client struct {
	// Trusted is true when the peer is a proxy whose X-Forwarded fields are kept
	// and added to.
	Trusted bool
	// Forwarded is true when the request has the fields of Forwarded already.
	Forwarded bool
	// Conn is the connection that the request came over, or nil.
	Conn Conn
}

// Conn is a client's connection whose server may be about to end.
type Conn interface {
	// Ends is called once for each request, when the final head of its answer is about
	// to be written, though not for an upgrade. When it reports true the answer says
	// that the connection ends with it: in HTTP/1 by a field (RFC 9112 section 9.6), in
	// HTTP/2 by a GOAWAY frame (RFC 9113 section 6.8), which net/http makes of that
	// field. Any number of goroutines may call it.
	Ends() bool
}

// Trace is what became of a request, for logs and metrics.
type Trace struct {
	Lane    omflow.Lane
	Class   omflow.Class
	Server  string      // the last one it was given to, or ""
	Why     balance.Why // why to that one
	Tries   int         // how many times it was given to a server
	Queue   time.Duration
	Served  time.Duration // by the server, until the head of its answer
	Status  int           // of the answer
	Refusal string        // why we answered ourselves, or ""
	// Create is what was found out of a create whose server died before it had answered:
	// "found", its ticket, "repeated", it had opened none, or "unknown". It is "" for all
	// else, also for creates that can't be looked for.
	Create string
	// TokenChanged is true when a REST token was replaced by the server's own.
	TokenChanged bool
	// Kept is true when the client's Conn was asked, and the answer did not end it.
	Kept bool
	// Err is what went wrong with the last server, or nil.
	Err error
}

// Serve serves one request. It panics with http.ErrAbortHandler, as net/http wants
// it, when an answer broke off.
func (f *Front) Serve(w http.ResponseWriter, r *http.Request, client Client, t *Trace) {
	if f.wellKnown(w, r, client, t) {
		return
	}
	x := passages.Get().(*passage)
	defer x.free()
	x.begin(f, w, r, client, t)
	x.serve()
}

// mayEnd tells the client that its connection ends with this answer, if it does.
func mayEnd(w http.ResponseWriter, client Client, t *Trace) {
	switch {
	case client.Conn == nil || t.Kept:
	case client.Conn.Ends():
		w.Header().Set("Connection", "close")
	default:
		t.Kept = true
	}
}
