package gossip

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/omflow/booster/internal/trust"
)

const (
	// maxReport bounds a report as JSON, maxMessage what it travels in.
	maxReport  = 4 << 10
	maxMessage = maxReport + 512

	maxReportText = 512
	maxCapacity   = 100_000
	maxWeight     = 100_000
)

// ServerState is what an agent says of its server.
type ServerState string

// States of a server, as its agent sees it.
const (
	ServerStarting ServerState = "starting" // its process runs and was not ready yet
	ServerUp       ServerState = "up"       // it passes its checks
	ServerDown     ServerState = "down"     // it fails its checks
	ServerStopped  ServerState = "stopped"  // it was stopped on purpose
	ServerFailed   ServerState = "failed"   // it ended too often and is not started again
)

var serverStates = []ServerState{ServerStarting, ServerUp, ServerDown, ServerStopped, ServerFailed}

// Report is what an agent says of its server. As JSON it has at most 4 kB.
type Report struct {
	// Server is the server's name, which is the agent's node name.
	Server string `json:"server"`
	// Address is the host:port where boosters send requests.
	Address string      `json:"address"`
	State   ServerState `json:"state"`
	// Reason says why the state is what it is, for people. At most 512 bytes.
	Reason string `json:"reason,omitempty"`
	// Live and Ready are the last results of the two checks.
	Live  bool `json:"live"`
	Ready bool `json:"ready"`
	// Capacity is how many requests at once the server takes, from 1.
	Capacity int `json:"capacity"`
	// Weight is its share of the load beside others of the same capacity. With
	// 0 it gets none.
	Weight int `json:"weight"`
	// Lead is true for the server that runs schedules.
	Lead bool `json:"lead,omitempty"`
	// Managed is true when the agent runs the server's process, so that it can be
	// restarted.
	Managed bool `json:"managed,omitempty"`
	// Control is the control epoch at the process's start. At most 512 bytes.
	Control string `json:"control,omitempty"`
	// Release is the release that the server runs; 0 is none.
	Release uint64 `json:"release,omitempty"`
	// Database is "up", "down", or empty when the agent does not check it. At
	// most 512 bytes.
	Database string `json:"database,omitempty"`
	// Restarts counts how often the agent has started the process again.
	Restarts int `json:"restarts,omitempty"`
	// PID is the process's number on its machine, 0 without one.
	PID int `json:"pid,omitempty"`

	// Time is when the report was sent by the agent's clock, for people: clocks
	// may differ. SetReport ignores it and the next two.
	Time time.Time `json:"time"`
	// Incarnation is the Incarnation of the Member that sent it.
	Incarnation uint64 `json:"incarnation"`
	// Sequence grows with each report of one incarnation.
	Sequence uint64 `json:"sequence"`
}

// Validate says what is wrong with the report.
func (r Report) Validate() error {
	if !trust.ValidName(r.Server) {
		return fmt.Errorf("server name %.80q is no node name", r.Server)
	}
	if host, port, err := splitAddr(r.Address); err != nil || host == "" || port == 0 {
		return fmt.Errorf("server address %.80q: write it as host:port", r.Address)
	}
	if !slices.Contains(serverStates, r.State) {
		return fmt.Errorf("server state %.40q is none of %v", r.State, serverStates)
	}
	for _, s := range []string{r.Reason, r.Database, r.Control} {
		if len(s) > maxReportText || !utf8.ValidString(s) {
			return fmt.Errorf("a text of %d bytes is longer than %d or not UTF-8", len(s), maxReportText)
		}
	}
	if r.Capacity < 1 || r.Capacity > maxCapacity {
		return fmt.Errorf("capacity %d is not between 1 and %d", r.Capacity, maxCapacity)
	}
	if r.Weight < 0 || r.Weight > maxWeight {
		return fmt.Errorf("weight %d is not between 0 and %d", r.Weight, maxWeight)
	}
	if r.PID < 0 || r.Restarts < 0 {
		return errors.New("process number or restarts are negative")
	}
	return nil
}

// same says whether two reports say the same, whenever they were sent.
func (r Report) same(o Report) bool {
	r.Time, r.Incarnation, r.Sequence = o.Time, o.Incarnation, o.Sequence
	return r == o
}

// message is a report on its way.
type message struct {
	// From is the name of the node that sent it and Address where that node is
	// a member.
	From    string `json:"from"`
	Address string `json:"address"`
	Report  Report `json:"report"`
}

func (m message) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	if len(b) > maxMessage {
		return nil, fmt.Errorf("encode report: %d bytes, more than %d", len(b), maxMessage)
	}
	return b, nil
}

// decodeMessage reads a message. Fields that it does not know are left to later
// versions.
func decodeMessage(b []byte) (message, error) {
	if len(b) > maxMessage {
		return message{}, fmt.Errorf("decode report: %d bytes, more than %d", len(b), maxMessage)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return message{}, fmt.Errorf("decode report: %w", err)
	}
	if !trust.ValidName(m.From) {
		return message{}, fmt.Errorf("decode report: sender %.80q is no node name", m.From)
	}
	if err := m.Report.Validate(); err != nil {
		return message{}, fmt.Errorf("decode report: %w", err)
	}
	return m, nil
}
