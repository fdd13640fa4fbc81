package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
)

const (
	// eventsEvery is how often the status is looked at for those who watch it.
	eventsEvery = time.Second
	// eventsQuiet is how long nothing may be sent to them: many a proxy cuts a
	// connection that is silent for a minute.
	eventsQuiet = 15 * time.Second
	// eventsPatience is how long one of them may take to read an event.
	eventsPatience = 10 * time.Second
	// eventsMost is how many may watch at the same time.
	eventsMost = 64
)

// watchers has a place for each that watches events of this process.
var watchers = make(chan struct{}, eventsMost)

// serveEvents sends the status as server-sent events (WHATWG HTML, section 9.2): one
// now, and one at each change, looked for each second. It ends when the configuration
// is no longer in force, so that no reload waits for it; the client then asks again.
func (a *App) serveEvents(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		return apiError(http.StatusMethodNotAllowed, "%s: use GET", r.Method)
	}
	select {
	case watchers <- struct{}{}:
		defer func() { <-watchers }()
	default:
		return apiError(http.StatusServiceUnavailable, "%d programs watch events already: ask for /omflow/status instead", eventsMost)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }() // the connection may be kept
	tick := time.NewTicker(eventsEvery)
	defer tick.Stop()
	var last []byte
	var sent time.Time
	for {
		now, err := json.Marshal(a.status())
		if err != nil {
			return apiError(http.StatusInternalServerError, "status: %w", err)
		}
		text := ""
		switch {
		case !bytes.Equal(now, last):
			text = fmt.Sprintf("event: status\ndata: %s\n\n", now) // JSON on one line
		case time.Since(sent) >= eventsQuiet:
			text = ": nothing new\n\n"
		}
		if text != "" {
			_ = control.SetWriteDeadline(time.Now().Add(eventsPatience))
			if _, err := w.Write([]byte(text)); err != nil {
				return nil // the client is gone
			}
			if err := control.Flush(); err != nil {
				return nil
			}
			last, sent = now, time.Now()
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-tick.C:
		}
		if current, err := activeApp(); err != nil || current != a || caddy.Exiting() {
			return nil
		}
	}
}
