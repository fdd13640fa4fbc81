package oracleexporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/omflow/booster/internal/control"
)

// Path is where an agent answers with its Reading.
const Path = "/oracle/v1/reading"

// maxReading bounds a Reading as JSON, in bytes: the longest lists with the longest
// names take about 150 kB.
const maxReading = 1 << 20

// Reading is what a Reader knows at a moment. Page may be shared: it is not to be
// changed.
type Reading struct {
	// URL is the page's, without a password.
	URL string `json:"url"`
	// ExporterUp is whether the last attempt got a good page.
	ExporterUp bool `json:"exporter_up"`
	// Reason says in words why it did not.
	Reason string `json:"reason,omitempty"`
	// AgeSeconds is how long ago the last good page was read; nil if there never was one.
	AgeSeconds *float64 `json:"age_seconds"`
	// Page is that page, nil if there never was one.
	Page *Page `json:"page"`
}

// DatabaseUp is whether the database is known to be up now: the exporter was read, and
// says so.
func (r Reading) DatabaseUp() bool { return r.ExporterUp && r.Page != nil && r.Page.Up }

// Late is the reading when it could not be had anew, by the time that has gone by and
// the reason.
func (r Reading) Late(by time.Duration, reason error) Reading {
	r.ExporterUp, r.Reason = false, reason.Error()
	if r.AgeSeconds != nil {
		age := *r.AgeSeconds + by.Seconds()
		r.AgeSeconds = &age
	}
	return r
}

// ServeHTTP answers a GET with the Reading.
func (r *Reader) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "GET the reading", http.StatusMethodNotAllowed)
		return
	}
	b, err := json.Marshal(r.Reading())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // whoever asked may have gone
}

// ErrNone says that an agent reads no exporter.
var ErrNone = errors.New("the agent reads no exporter")

// Ask asks an agent for its Reading. do sends a request to a node's control API;
// gossip.Node.Do does. The error is ErrNone if there is nothing to ask for.
func Ask(ctx context.Context, do control.Do, agent string) (Reading, error) {
	resp, err := do.Send(ctx, agent, http.MethodGet, Path, http.NoBody)
	if control.Refused(err, http.StatusNotFound) {
		return Reading{}, ErrNone
	}
	if err != nil {
		return Reading{}, fmt.Errorf("ask agent %s: %w", agent, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReading+1))
	if err != nil {
		return Reading{}, fmt.Errorf("ask agent %s: %w", agent, err)
	}
	r, err := decode(b)
	if err != nil {
		return Reading{}, fmt.Errorf("ask agent %s: %w", agent, err)
	}
	return r, nil
}

// decode reads what an agent answered.
func decode(b []byte) (Reading, error) {
	if len(b) > maxReading {
		return Reading{}, fmt.Errorf("the reading is longer than %d bytes", maxReading)
	}
	var r Reading
	if err := json.Unmarshal(b, &r); err != nil {
		return Reading{}, fmt.Errorf("decode the reading: %w", err)
	}
	if r.AgeSeconds != nil && (*r.AgeSeconds < 0 || *r.AgeSeconds > math.MaxInt32) {
		return Reading{}, errors.New("decode the reading: its age makes no sense")
	}
	if (r.Page == nil) != (r.AgeSeconds == nil) || r.ExporterUp && r.Page == nil {
		return Reading{}, errors.New("decode the reading: page and age do not fit")
	}
	r.URL, r.Reason = cut(r.URL, maxURL), cut(r.Reason, maxReason)
	if r.Page != nil {
		r.Page = r.Page.checked()
	}
	return r, nil
}

// Interface guard
var _ http.Handler = (*Reader)(nil)
