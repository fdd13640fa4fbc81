package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Lost is what to make of files that are gone from a folder which holds everything up
// because of that.
type Lost string

// What to make of them.
const (
	Confirm Lost = "confirm" // they were removed by intent: the removal is published
	Restore Lost = "restore" // they are to come back
)

// Validate refuses other words.
func (l Lost) Validate() error {
	if l != Confirm && l != Restore {
		return fmt.Errorf("%.20q is nothing to do with files that are gone", string(l))
	}
	return nil
}

// lost is the message of Client.Lost.
type lost struct {
	Act     Lost   `json:"act"`
	Finding string `json:"finding,omitempty"`
}

// maxFinding bounds a Standing.Finding, in bytes.
const maxFinding = 64

// Validate implements validated.
func (l lost) Validate() error {
	if len(l.Finding) > maxFinding {
		return fmt.Errorf("a finding's name of %d bytes is longer than %d", len(l.Finding), maxFinding)
	}
	return l.Act.Validate()
}

// Lost tells an agent what to make of files that are gone from its patch folder. finding
// is the Standing.Finding that was looked at; Restore needs none. The error matches
// history.ErrUnknown when the agent has no such folder; one where nothing waits for that,
// or something else than what was looked at, says so.
func (c Client) Lost(ctx context.Context, agent string, act Lost, finding string) error {
	b, err := json.Marshal(lost{act, finding})
	if err == nil {
		err = c.post(ctx, agent, lostPath, bytes.NewReader(b), &struct{}{})
	}
	if err != nil {
		return fmt.Errorf("tell agent %s: %w", agent, err)
	}
	return nil
}

// serveLost answers Client.Lost.
func (h *handler) serveLost(w http.ResponseWriter, r *http.Request, a Agent) {
	var l lost
	if _, ok := h.fromBooster(w, r); ok && take(w, r, maxMessage, &l) {
		answer(w, struct{}{}, a.Lost(r.Context(), l.Act, l.Finding))
	}
}
