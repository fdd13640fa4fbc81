package caddymodule

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// LeadStatus tells of the lead server and of what the servers' restarts wait for, as the
// active booster knows it.
type LeadStatus struct {
	// From is the active booster that says so, "" for the one that was asked itself.
	From string `json:"from,omitempty"`
	// Server is the lead server, or "" while there is none.
	Server string `json:"server"`
	// State is lead, starting, or none.
	State string `json:"state"`
	// Doing is what is done at the moment, and Waiting what that waits for.
	Doing   string `json:"doing,omitempty"`
	Waiting string `json:"waiting,omitempty"`
	// FlowQueue is how many items the flow queue's journal holds, FlowQueueAge how long
	// the oldest has not moved, in seconds. FlowQueueError says why it can't be read.
	FlowQueue      int     `json:"flow_queue"`
	FlowQueueAge   float64 `json:"flow_queue_age"`
	FlowQueueError string  `json:"flow_queue_error,omitempty"`
	// Control is the control epoch: for each booster the time of the newest control
	// change that it saw, in milliseconds since 1970.
	Control string `json:"control,omitempty"`
	// Behind are the servers that have not seen that.
	Behind []string `json:"behind,omitempty"`
	// Missed names schedules that nobody has fired when a lead server ended, or of which
	// that is not known; StrandedTickets names tickets that stand still, and that nobody
	// but people can move on; FailedCommands names commands of on_change that have failed.
	// Each is named for a day: see to it by hand.
	Missed          []string `json:"missed_schedules,omitempty"`
	StrandedTickets []string `json:"stranded_tickets,omitempty"`
	FailedCommands  []string `json:"failed_commands,omitempty"`
	// OverduePauses is how many tickets wait in a pause that is over and that the lead
	// server does not know of. It is restarted for them.
	OverduePauses int `json:"overdue_pauses,omitempty"`
}

// States of the lead server.
const (
	leadRuns     = "lead"
	leadStarting = "starting"
	leadNone     = "none"
)

// leadStatus is what this booster, or else the active one, knows.
func (a *App) leadStatus() *LeadStatus {
	node := runningNode()
	if node == nil || node.conductor == nil {
		return nil
	}
	if l := node.conductor.lead(); l != nil {
		return l
	}
	return node.conductor.leadOfActive()
}

// lead is what this booster knows, nil when it is not the active one.
func (c *conductor) lead() *LeadStatus {
	s, ok := c.coordinator.Status()
	if !ok {
		return nil
	}
	l := &LeadStatus{
		Server: s.Lead, State: leadNone, Doing: s.Doing, Waiting: s.Waiting,
		FlowQueue: s.Rows, FlowQueueAge: s.Oldest.Seconds(), FlowQueueError: s.Blind,
		Control: string(s.Epoch), Behind: s.Behind, OverduePauses: s.Pauses,
		Missed: s.Missed, StrandedTickets: s.StrandedTickets, FailedCommands: s.FailedCommands,
	}
	switch {
	case s.Running:
		l.State = leadRuns
	case s.Lead != "":
		l.State = leadStarting
	}
	if fixed := fixedLead(omflowFleet()); fixed != "" {
		l.Server, l.State = fixed, leadRuns
	}
	return l
}

// sentence says it for people.
func (l *LeadStatus) sentence() string {
	var b strings.Builder
	switch l.State {
	case leadRuns:
		fmt.Fprintf(&b, "%s is the lead server", plain(l.Server))
	case leadStarting:
		if b.WriteString(plain(l.Server)); l.Doing != "" {
			b.WriteString(" becomes the lead server")
		} else {
			b.WriteString(" was the lead server last, and its agent does not answer")
		}
	default:
		b.WriteString("no server is the lead")
	}
	if l.Doing != "" {
		fmt.Fprintf(&b, "; %s", plain(l.Doing))
	}
	if l.Waiting != "" {
		fmt.Fprintf(&b, ", waiting for %s", plain(l.Waiting))
	}
	if l.From != "" {
		fmt.Fprintf(&b, " (so says %s, the active booster)", l.From)
	}
	return b.String()
}

// print writes the lead's lines of the status.
func (l *LeadStatus) print(page *strings.Builder) {
	fmt.Fprintf(page, "\nLead: %s\n", l.sentence())
	switch {
	case l.FlowQueueError != "":
		fmt.Fprintf(page, "Flow queue: its journal can't be read: %s\n", plain(l.FlowQueueError))
	case l.FlowQueue > 0:
		oldest := time.Duration(l.FlowQueueAge * float64(time.Second)).Round(time.Second)
		fmt.Fprintf(page, "Flow queue: %d items, the oldest has not moved for %s\n", l.FlowQueue, oldest)
	default:
		page.WriteString("Flow queue: empty\n")
	}
	if len(l.Behind) > 0 {
		fmt.Fprintf(page, "To be refreshed after a control change: %s\n", plain(strings.Join(l.Behind, ", ")))
	}
	if l.OverduePauses > 0 {
		fmt.Fprintf(page, "Tickets whose pause has ended and that the lead server does not know of: %d\n", l.OverduePauses)
	}
	for _, of := range []struct {
		what  string
		texts []string
	}{{"Missed", l.Missed}, {"Stranded", l.StrandedTickets}, {"Command failed", l.FailedCommands}} {
		for _, text := range of.texts {
			fmt.Fprintf(page, "%s: %s\n", of.what, plain(text))
		}
	}
}

// serveLead asks for another lead server.
func (a *App) serveLead(w http.ResponseWriter, r *http.Request, name string) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return apiError(http.StatusMethodNotAllowed, "%s: use POST", r.Method)
	}
	if a.agent != nil {
		return a.askABooster()
	}
	node := runningNode()
	if node == nil || node.conductor == nil {
		return apiError(http.StatusConflict, "this process is no booster of a cluster: there is no lead server to choose")
	}
	err := node.conductor.setLead(r.Context(), name, r.URL.Query().Get("gone") == "true")
	if err != nil {
		return apiError(http.StatusConflict, "make server %s the lead: %w", name, err)
	}
	lead := node.conductor.lead()
	if lead == nil { // it was passed on
		lead = &LeadStatus{Server: name, State: leadStarting, Doing: "the active booster was told, and its status says how far it is"}
	}
	a.log.Info("an operator chose the lead server", "server", name)
	return answer(w, lead)
}

// repairsOff says which of OMFLOW's repairs a server does without, and why.
func repairsOff(agent string, managed bool, database string, plain bool) []string {
	const (
		refresh  = "refresh after control changes"
		schedule = "schedules on one server only"
		queue    = "the flow queue of a server that died"
		heal     = "restart after the database was away"
	)
	if plain {
		return nil
	}
	why := ""
	switch {
	case agent == "none":
		why = "the server has no agent"
	case !managed:
		why = "its agent does not run it as an OMFLOW Server (that takes `home` and `run`)"
	case database == "":
		return []string{queue + ": its agent does not know the database", heal + ": its agent does not know the database"}
	default:
		return nil
	}
	var off []string
	for _, repair := range []string{refresh, schedule, queue, heal} {
		off = append(off, repair+": "+why)
	}
	return off
}
