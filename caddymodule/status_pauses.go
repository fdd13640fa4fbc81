package caddymodule

import (
	"fmt"
	"strings"
)

// PausesStatus tells of flows with a pause, whose tickets go to the lead server, since
// no other server ends a pause.
type PausesStatus struct {
	// Flows is how many flows are deployed, Pausing how many of them may pause.
	Flows   int `json:"flows"`
	Pausing int `json:"pausing"`
	// Off says why their tickets go to any server, if they do.
	Off string `json:"off,omitempty"`
}

// pausesStatus is nil where there are no OMFLOW Servers.
func (a *App) pausesStatus() *PausesStatus {
	a.mu.Lock()
	use := a.pools[omflowPool]
	a.mu.Unlock()
	if use == nil {
		return nil
	}
	d := use.pool.flows.Load()
	var s PausesStatus
	s.Flows, s.Pausing = d.Len()
	switch {
	case !use.cfg.pauses:
		s.Off = "it is switched off (`repairs_off`, or the profile)"
	case d == nil:
		s.Off = "no agent has read the deployed flows from the database"
	}
	return &s
}

// print writes the line of the status, if there is something to tell.
func (s *PausesStatus) print(page *strings.Builder) {
	switch {
	case s.Off != "":
		fmt.Fprintf(page, "OFF: pauses: %s\n", s.Off)
	case s.Pausing > 0:
		fmt.Fprintf(page, "Pauses: of %d flows %d may pause, and their tickets go to the lead server\n", s.Flows, s.Pausing)
	}
}
