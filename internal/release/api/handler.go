package api

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/rollout"
)

const (
	// maxBodies is how many manifests a node takes at a time. More wait.
	maxBodies = 4
	// bodyTime bounds the time that a body may take to come: 64 MiB at 1 MB/s.
	bodyTime = time.Minute
	// chainCount and chainBytes end one answer with releases; the client asks again.
	chainCount = 64
	chainBytes = 64 << 20
)

// Peer tells who sent a request.
type Peer func(*http.Request) (name string, booster, ok bool)

// Chain is the releases that a node knows; a *history.Log is one.
type Chain interface {
	// Head names the newest release, zero if there is none.
	Head() release.Ref
	// List describes all releases, newest first.
	List() []history.Entry
	// Get reads a release. The error matches history.ErrUnknown if it is not there.
	Get(number uint64) (*release.Manifest, error)
}

// Booster is what a booster answers.
type Booster interface {
	Chain
	// Propose numbers a release that came from the given address. An error is
	// rollout.ErrNotActive, a *history.StaleError, matches ErrRefused or ErrChanging, or
	// says why it can't be done now.
	Propose(ctx context.Context, p Proposal, from string) error
	// Follow takes over what the active booster of that name has. An error is a
	// *history.StaleError when the chain must begin earlier.
	Follow(u Update, from string) error
	// Approve lets a release that waits be rolled out. The error matches
	// history.ErrUnknown for one that is not there.
	Approve(ctx context.Context, number uint64) error
	// Rollback publishes an older release's content anew, and returns the new number.
	Rollback(ctx context.Context, number uint64) (uint64, error)
}

// Agent is what an agent answers.
type Agent interface {
	Chain
	// Announced takes note of numbered releases, and returns at once. They are valid,
	// and nothing more is known of them. At most MaxAnnounced.
	Announced(from string, chain []*release.Manifest)
	// Offered takes note of contents that a release may soon name, and returns at once.
	// At most MaxOffered.
	Offered(from string, contents []Content)
	// Publish publishes at once what has changed, and returns the release's number, 0
	// when nothing had.
	Publish(ctx context.Context) (uint64, error)
	// OpenBlob opens a blob, whose Stat tells the size. The error matches
	// fs.ErrNotExist if it is not there.
	OpenBlob(release.Hash) (fs.File, error)
	// Standing says how the files stand.
	Standing() Standing
	// Lost says what to make of files that are gone, when something waits for that: to
	// confirm it takes the Standing.Finding that was looked at.
	Lost(ctx context.Context, act Lost, finding string) error
}

// handler is what both kinds of nodes have.
type handler struct {
	*http.ServeMux
	peer    Peer
	bodies  chan struct{} // holds one for each manifest that is read
	streams chan struct{} // holds one for each stream of blobs
}

func newHandler(peer Peer) *handler {
	return &handler{http.NewServeMux(), peer, make(chan struct{}, maxBodies), make(chan struct{}, MaxStreams)}
}

// BoosterHandler answers on a booster.
func BoosterHandler(b Booster, peer Peer) http.Handler {
	h := newHandler(peer)
	h.serveChain(b)
	h.HandleFunc("POST "+proposePath, func(w http.ResponseWriter, r *http.Request) {
		name, booster, ok := peer(r)
		if !ok || booster {
			http.Error(w, "agents propose releases", http.StatusForbidden)
			return
		}
		p, ok := read(h, w, r, func() (Proposal, error) { return readProposal(r.Body, parentIn(b)) })
		if !ok {
			return
		}
		if p.Manifest.Origin != name {
			http.Error(w, "an agent proposes its own releases only", http.StatusForbidden)
			return
		}
		answer(w, numbered{p.Manifest.Number}, b.Propose(r.Context(), p, r.RemoteAddr))
	})
	h.HandleFunc("POST "+followPath, func(w http.ResponseWriter, r *http.Request) {
		name, ok := h.fromBooster(w, r)
		if !ok {
			return
		}
		if u, ok := read(h, w, r, func() (Update, error) { return readUpdate(r.Body, parentIn(b)) }); ok {
			answer(w, struct{}{}, b.Follow(u, name))
		}
	})
	h.HandleFunc("POST "+actPath, func(w http.ResponseWriter, r *http.Request) {
		var o order
		if _, ok := h.fromBooster(w, r); !ok || !take(w, r, maxMessage, &o) {
			return
		}
		number, err := o.Number, error(nil)
		if o.Act == Approve {
			err = b.Approve(r.Context(), o.Number)
		} else {
			number, err = b.Rollback(r.Context(), o.Number)
		}
		answer(w, numbered{number}, err)
	})
	return h
}

// AgentHandler answers on an agent.
func AgentHandler(a Agent, peer Peer) http.Handler {
	h := newHandler(peer)
	h.serveChain(a)
	h.HandleFunc("POST "+announcePath, func(w http.ResponseWriter, r *http.Request) {
		name, booster, ok := peer(r)
		if !ok || booster {
			http.Error(w, "agents announce releases", http.StatusForbidden)
			return
		}
		chain, ok := read(h, w, r, func() ([]*release.Manifest, error) { return readChain(r.Body, MaxAnnounced, parentIn(a)) })
		if !ok {
			return
		}
		a.Announced(name, chain)
		w.WriteHeader(http.StatusAccepted)
	})
	h.HandleFunc("POST "+offerPath, func(w http.ResponseWriter, r *http.Request) { h.serveOffer(w, r, a) })
	h.HandleFunc("POST "+publishPath, func(w http.ResponseWriter, r *http.Request) {
		if _, ok := h.fromBooster(w, r); ok {
			number, err := a.Publish(r.Context())
			answer(w, numbered{number}, err)
		}
	})
	h.HandleFunc("POST "+lostPath, func(w http.ResponseWriter, r *http.Request) { h.serveLost(w, r, a) })
	h.HandleFunc("GET "+standingPath, func(w http.ResponseWriter, r *http.Request) {
		if h.known(w, r) {
			answer(w, a.Standing(), nil)
		}
	})
	h.HandleFunc("POST "+blobsPath, func(w http.ResponseWriter, r *http.Request) {
		if h.known(w, r) {
			h.serveBlobs(w, r, a.OpenBlob)
		}
	})
	return h
}

// known refuses who is no node of the cluster.
func (h *handler) known(w http.ResponseWriter, r *http.Request) bool {
	_, _, ok := h.peer(r)
	if !ok {
		http.Error(w, "the certificate names no node", http.StatusForbidden)
	}
	return ok
}

// fromBooster refuses who is no booster.
func (h *handler) fromBooster(w http.ResponseWriter, r *http.Request) (name string, ok bool) {
	name, booster, ok := h.peer(r)
	if !ok || !booster {
		http.Error(w, "boosters ask for that", http.StatusForbidden)
		return "", false
	}
	return name, true
}

func (h *handler) serveChain(c Chain) {
	h.HandleFunc("GET "+headPath, func(w http.ResponseWriter, r *http.Request) {
		if h.known(w, r) {
			answer(w, c.Head(), nil)
		}
	})
	h.HandleFunc("GET "+chainPath, func(w http.ResponseWriter, r *http.Request) {
		if !h.known(w, r) {
			return
		}
		after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
		if err != nil {
			http.Error(w, "after is no number", http.StatusBadRequest)
			return
		}
		if err := sendChain(w, c, after); err != nil {
			panic(http.ErrAbortHandler) // the answer has begun: it must not look whole
		}
	})
}

// sendChain writes the releases after a number that c has, oldest first, as many as
// one answer may hold.
func sendChain(w http.ResponseWriter, c Chain, after uint64) error {
	rc := http.NewResponseController(w)
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }() // the connection is kept
	out := deadlineWriter{w, rc}
	count, size := 0, 0
	for _, e := range slices.Backward(c.List()) {
		if e.Ref.Number <= after {
			continue
		}
		if count == chainCount || size > chainBytes {
			break
		}
		m, err := c.Get(e.Ref.Number)
		if errors.Is(err, history.ErrUnknown) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		n, err := writeManifest(out, m, false)
		if err != nil {
			return err
		}
		count, size = count+1, size+n
	}
	return writeEnd(out)
}

func (h *handler) serveBlobs(w http.ResponseWriter, r *http.Request, open func(release.Hash) (fs.File, error)) {
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, ErrBusy.Error(), http.StatusServiceUnavailable)
		return
	}
	var want names
	if !take(w, r, maxNames, &want) {
		return
	}
	if err := sendBlobs(w, want, open); err != nil {
		panic(http.ErrAbortHandler) // the answer has begun: it must not look whole
	}
}

// read reads a body with manifests: a few at a time, and each within bodyTime. It
// reports false when it has refused it.
func read[T any](h *handler, w http.ResponseWriter, r *http.Request, body func() (T, error)) (v T, ok bool) {
	select {
	case h.bodies <- struct{}{}:
		defer func() { <-h.bodies }()
	case <-r.Context().Done():
		return v, false
	}
	defer limitTime(w)()
	v, err := body()
	if errors.Is(err, release.ErrNoParent) {
		http.Error(w, err.Error(), http.StatusFailedDependency)
		return v, false
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return v, false
	}
	return v, true
}

// take reads and checks a short message. It reports false when it has refused it.
func take[T validated](w http.ResponseWriter, r *http.Request, most int64, v *T) bool {
	defer limitTime(w)()
	if err := control.Decode(r.Body, most, v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	if err := (*v).Validate(); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return false
	}
	return true
}

// limitTime gives the body bodyTime to come, until the returned function is called: a
// deadline that passes later would end the request's context.
func limitTime(w http.ResponseWriter) (end func()) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTime)) // what can't be limited is no connection
	return func() { _ = rc.SetReadDeadline(time.Time{}) }
}

func answer(w http.ResponseWriter, v any, err error) {
	var stale *history.StaleError
	switch {
	case errors.Is(err, rollout.ErrNotActive):
		http.Error(w, err.Error(), http.StatusConflict)
	case errors.As(err, &stale):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusPreconditionFailed)
		_ = json.NewEncoder(w).Encode(stale.Head) // who asked has gone
	case errors.Is(err, ErrRefused):
		http.Error(w, strings.TrimPrefix(err.Error(), ErrRefused.Error()+": "), http.StatusUnprocessableEntity)
	case errors.Is(err, ErrChanging):
		http.Error(w, strings.TrimPrefix(err.Error(), ErrChanging.Error()+": "), http.StatusLocked)
	case errors.Is(err, history.ErrUnknown):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		control.Answer(w, v)
	}
}
