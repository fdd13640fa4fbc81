// Package instrument counts what reaches a stand-in and makes it misbehave.
//
// [Instruments.Serve] stands before the server's own handler. It knows how many
// requests are in the server and the most there ever were, which is what a
// balancer's capacity limit is judged by; requests that only ask for health are
// answered without being counted there, as a balancer's own checks are no load
// that it has to queue. A request counts until its answer is written.
//
// [Instruments.Inject] sets a [Fault] for all requests or those below a path. Over
// HTTP, when [Config.Serve] allows it:
//
//	GET    /__testbed/stats   the counters, as JSON
//	DELETE /__testbed/stats   counters to zero
//	POST   /__testbed/fault   a Fault as JSON
//	DELETE /__testbed/fault   well again
//
// These bypass faults and threads, except that nobody answers while connections
// are refused: such a fault needs an end, or the Go API.
//
// Memory is bounded: of each URL or title [MaxKey] bytes count, and beyond
// [MaxKeys] distinct ones new ones are counted together under [Other].
package instrument

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// MaxKeys is how many URLs, and how many titles, are counted apart.
const MaxKeys = 100_000

// MaxKey is how many bytes of a URL or title tell it from others.
const MaxKey = 256

// Other is the key of what is counted together beyond MaxKeys.
const Other = "(other)"

// prefix is where the instruments answer.
const prefix = "/__testbed/"

// maxFault bounds a fault sent over HTTP.
const maxFault = 4096

// Door opens and shuts the server's listener.
type Door interface {
	// Open listens again on the same address.
	Open() error
	// Shut closes the listener and all connections.
	Shut()
}

// Config of the instruments.
type Config struct {
	// Health are the paths that don't count as load.
	Health []string
	// Serve answers below /__testbed/.
	Serve bool
	// Door is used to refuse connections. Required.
	Door Door
	// Done is closed when the server dies: every fault ends. Required.
	Done <-chan struct{}
	// Logger gets the failure to listen again. Required.
	Logger *slog.Logger
}

// Stats are the counters.
type Stats struct {
	InFlight    int            `json:"in_flight"`
	MaxInFlight int            `json:"max_in_flight"`
	Requests    int            `json:"requests"`
	ByURL       map[string]int `json:"by_url"`  // method and path, health included
	Created     map[string]int `json:"created"` // tickets created by title
	Lost        int            `json:"lost"`    // creates that OMFLOW silently loses
}

// Instruments belong to one server. All methods may be called by any number of
// goroutines.
type Instruments struct {
	cfg Config

	mu    sync.Mutex
	stats Stats
	fault *injected
}

// New returns instruments with nothing counted and no fault.
func New(cfg Config) *Instruments {
	return &Instruments{cfg: cfg, stats: emptyStats()}
}

func emptyStats() Stats {
	return Stats{ByURL: map[string]int{}, Created: map[string]int{}}
}

// Stats returns a copy of the counters.
func (in *Instruments) Stats() Stats {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.stats
	s.ByURL, s.Created = maps.Clone(s.ByURL), maps.Clone(s.Created)
	return s
}

// Reset sets the counters to zero; requests in flight stay counted as such.
func (in *Instruments) Reset() {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := in.stats.InFlight
	in.stats = emptyStats()
	in.stats.InFlight, in.stats.MaxInFlight = n, n
}

// CountCreate notes that a ticket with that title was created, or lost.
func (in *Instruments) CountCreate(title string, lost bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if lost {
		in.stats.Lost++
		return
	}
	count(in.stats.Created, title)
}

func count(m map[string]int, key string) {
	if len(key) > MaxKey {
		key = strings.Clone(key[:MaxKey]) // not holding on to the rest
	}
	if _, ok := m[key]; !ok && len(m) >= MaxKeys {
		key = Other
	}
	m[key]++
}

// Serve counts the request, lets the fault have it, and else calls next with
// the factor by which it is to be slowed.
func (in *Instruments) Serve(w http.ResponseWriter, r *http.Request, next func(http.ResponseWriter, *http.Request, float64)) {
	path := r.URL.Path
	if in.cfg.Serve && strings.HasPrefix(path, prefix) {
		in.answer(w, r)
		return
	}
	load := !slices.Contains(in.cfg.Health, path)
	f := in.active(path) // first: a request that is counted has met the fault that it was to meet
	in.enter(r.Method+" "+path, load)
	defer in.leave(load)
	if f == nil {
		next(w, r, 1)
		return
	}
	f.apply(w, r, in.cfg.Done, next)
}

func (in *Instruments) enter(url string, load bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	count(in.stats.ByURL, url)
	if !load {
		return
	}
	in.stats.Requests++
	in.stats.InFlight++
	in.stats.MaxInFlight = max(in.stats.MaxInFlight, in.stats.InFlight)
}

func (in *Instruments) leave(load bool) {
	if !load {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.stats.InFlight--
}

// answer serves the instruments over HTTP.
func (in *Instruments) answer(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path[len(prefix):] {
	case "GET stats":
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(in.Stats()) // fails only when the client is gone
	case "DELETE stats":
		in.Reset()
	case "DELETE fault":
		if err := in.Clear(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	case "POST fault":
		f, err := decodeFault(io.LimitReader(r.Body, maxFault))
		if err == nil {
			err = in.inject(f, true)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	default:
		http.NotFound(w, r)
	}
}

func decodeFault(r io.Reader) (Fault, error) {
	var f Fault
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, fmt.Errorf("parsing the fault: %w", err)
	}
	return f, f.Validate()
}
