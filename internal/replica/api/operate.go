package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/replica"
)

const (
	statusPath = Prefix + "status"
	lostPath   = Prefix + "lost"

	// maxText bounds a text for people in a Status, in bytes.
	maxText = 2048
)

// ErrNone: the agent replicates no folder.
var ErrNone = errors.New("it replicates no folder")

// lost says what to make of files that are gone.
type lost struct {
	// Restore brings them back; else they are deleted on all nodes.
	Restore bool `json:"restore"`
	// Finding is the Status.Finding that was looked at. Else it is not needed.
	Finding string `json:"finding,omitempty"`
}

// handleBooster answers boosters.
func handleBooster(mux *http.ServeMux, r Replica, peer Peer) {
	handle := func(pattern string, answer http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
			if _, booster, ok := peer(req); !ok || !booster {
				http.Error(w, "boosters ask for that", http.StatusForbidden)
				return
			}
			answer(w, req)
		})
	}
	handle("GET "+statusPath, func(w http.ResponseWriter, _ *http.Request) {
		s := r.Status()
		s.Degraded, s.Suspicious = cut(s.Degraded), cut(s.Suspicious)
		reply(w, s, nil)
	})
	handle("POST "+lostPath, func(w http.ResponseWriter, req *http.Request) {
		var l lost
		if !take(w, req, &l) {
			return
		}
		if l.Restore {
			reply(w, struct{}{}, r.Restore())
			return
		}
		reply(w, struct{}{}, r.ConfirmRemoval(l.Finding))
	})
}

// cut shortens a text to what a Status may hold.
func cut(s string) string {
	for len(s) > maxText {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// Status asks an agent how its replica is. The error matches ErrNone when it has none.
func (c Client) Status(ctx context.Context, agent string) (s replica.Status, err error) {
	if err = c.ask(ctx, agent, statusPath, nil, &s); err == nil {
		err = check(s)
	}
	if err != nil {
		return replica.Status{}, fmt.Errorf("ask agent %s how its replica is: %w", agent, none(err))
	}
	return s, nil
}

func check(s replica.Status) error {
	if min(s.Files, s.Missing, s.Conflicts, s.Refused) < 0 || s.Bytes < 0 {
		return errors.New("a number is negative")
	}
	if len(s.Degraded) > maxText || len(s.Suspicious) > maxText || len(s.Finding) > maxText {
		return fmt.Errorf("a text is longer than %d bytes", maxText)
	}
	return nil
}

// Lost says what to make of files that are gone from an agent's folder, of which its
// Status.Suspicious tells: they come back, or those of the Status.Finding that was looked at
// are deleted on all nodes. The error matches ErrNone when the agent has no replica.
func (c Client) Lost(ctx context.Context, agent string, restore bool, finding string) error {
	if err := c.ask(ctx, agent, lostPath, lost{restore, finding}, nil); err != nil {
		return fmt.Errorf("tell agent %s: %w", agent, none(err))
	}
	return nil
}

// none gives the answer of an agent without a replica its name.
func none(err error) error {
	if control.Refused(err, http.StatusNotFound) {
		return ErrNone
	}
	return err
}
