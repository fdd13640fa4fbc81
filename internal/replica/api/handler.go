package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/replica"
)

// Peer tells who sent a request.
type Peer func(*http.Request) (name string, booster, ok bool)

// Replica is what an agent answers; *replica.Replica is one.
type Replica interface {
	// Receive takes in entries that a peer tells.
	Receive(peer string, entries []replica.Entry) error
	// Digest is what the agent knows in short.
	Digest() (replica.Digest, error)
	// Entries is a page of what it knows.
	Entries(replica.Page) (replica.Entries, error)
	// Open opens a content that it has.
	Open(context.Context, replica.Blob) (io.ReadCloser, error)
	// Status tells how it is.
	Status() replica.Status
	// ConfirmRemoval says that the files that are gone are to be deleted everywhere, if
	// they are those of the Status.Finding that was looked at; Restore that they are to
	// come back.
	ConfirmRemoval(finding string) error
	Restore() error
}

const (
	// bodyTime is how long a message may take to come. Who sends it waits for 10 s.
	bodyTime = 15 * time.Second
	// sendTime is how long a peer may take nothing of a content.
	sendTime = time.Minute
	// piece is how much of a content is sent at once, in bytes.
	piece = 256 << 10
)

// Handler answers other nodes.
func Handler(r Replica, peer Peer) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(w http.ResponseWriter, req *http.Request, from string)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
			name, booster, ok := peer(req)
			if !ok || booster {
				http.Error(w, "only agents keep folders alike", http.StatusForbidden)
				return
			}
			answer(w, req, name)
		})
	}
	handle("POST "+pushPath, func(w http.ResponseWriter, req *http.Request, from string) {
		var p push
		if take(w, req, &p) {
			reply(w, struct{}{}, r.Receive(from, p.Entries))
		}
	})
	handle("GET "+digestPath, func(w http.ResponseWriter, _ *http.Request, _ string) {
		d, err := r.Digest()
		reply(w, d, err)
	})
	handle("POST "+entriesPath, func(w http.ResponseWriter, req *http.Request, _ string) {
		var p replica.Page
		if take(w, req, &p) {
			e, err := r.Entries(p)
			reply(w, fit(e), err)
		}
	})
	handle("POST "+fetchPath, func(w http.ResponseWriter, req *http.Request, _ string) {
		var b replica.Blob
		if take(w, req, &b) {
			send(w, req, r, b)
		}
	})
	handleBooster(mux, r, peer)
	return mux
}

// take reads a message. It reports false when it has refused it.
func take(w http.ResponseWriter, r *http.Request, v any) bool {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTime)) // a recorder has none
	// One that passes later would end the request's context.
	defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
	if err := control.Decode(r.Body, maxMessage, v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	control.Answer(w, v)
}

func refuse(w http.ResponseWriter, err error) {
	code := http.StatusUnprocessableEntity
	switch {
	case errors.Is(err, replica.ErrNotHere):
		code = http.StatusNotFound
	case errors.Is(err, replica.ErrNotReady), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		code = http.StatusServiceUnavailable
	}
	http.Error(w, err.Error(), code)
}

// fit shortens a page to what one message holds.
func fit(e replica.Entries) replica.Entries {
	for len(e.Entries) > 1 {
		if b, err := json.Marshal(e); err != nil || len(b) < maxMessage {
			break
		}
		e.Entries, e.More = e.Entries[:len(e.Entries)/2], true
	}
	return e
}

// send sends a content.
func send(w http.ResponseWriter, req *http.Request, r Replica, b replica.Blob) {
	body, err := r.Open(req.Context(), b)
	if err != nil {
		refuse(w, err)
		return
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(b.Size, 10))
	rc := http.NewResponseController(w)
	defer func() { _ = rc.SetWriteDeadline(time.Time{}) }() // the connection is kept
	rest := io.LimitReader(body, b.Size)
	for {
		_ = rc.SetWriteDeadline(time.Now().Add(sendTime)) // a recorder has none
		_, err := io.CopyN(w, rest, piece)
		if err == nil {
			continue
		}
		if err == io.EOF {
			_ = rc.Flush() // what is still held back, while the time is bounded
			return         // when it is shorter than b.Size, the server ends the connection
		}
		// Ending the request is the only way to say that it was cut short.
		panic(http.ErrAbortHandler)
	}
}
