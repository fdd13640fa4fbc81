package rollout

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Times of the lease. Each is counted by one machine's monotonic clock; they leave
// room for each other: the lead process is gone LeaseTime+GuardTime after its agent
// last asked, and nobody is granted the lease before FenceTime has passed.
const (
	// AskTime is how often an agent asks.
	AskTime = time.Second
	// LeaseTime is how long a lease lasts.
	LeaseTime = 10 * time.Second
	// StopTime is between asking the lead process to end, when its lease has run
	// out, and killing it.
	StopTime = 2 * time.Second
	// GuardTime is how long after the end of the lease the guard kills what the
	// agent has not ended.
	GuardTime = 3 * time.Second
	// FenceTime is how long after its last answer to the holder the coordinator
	// waits before it grants to another.
	FenceTime = 15 * time.Second
	// HeardTime is how long an agent that asked counts as one that hears the
	// booster, and an agent that was heard of as alive.
	HeardTime = 3 * time.Second
	// OrderTime is how long a booster keeps an order that is not repeated.
	OrderTime = 5 * time.Second
)

// MaxWitnesses bounds the witnesses of a lease.
const MaxWitnesses = 5

const (
	maxName    = 64   // bytes, as a node's name
	maxServers = 4096 // named in one message
	maxEpoch   = 512  // bytes
)

// Part is what a server is run as.
type Part string

const (
	// Wait: a server that does not run is not started yet, and one that runs is
	// left as it is.
	Wait Part = "wait"
	// Follower runs without the lead's environment.
	Follower Part = "follower"
	// Lead runs with it, under a grant.
	Lead Part = "lead"
)

// Ask is what an agent says of its server when it asks.
type Ask struct {
	// Server is the server's name, which is the agent's.
	Server string `json:"server"`
	// Candidate is true for a server that can be the lead: its process is the
	// agent's, and it is an OMFLOW Server.
	Candidate bool `json:"candidate"`
	// Runs is what the process runs as, or "" when there is none.
	Runs Part `json:"runs,omitempty"`
	// Grant is the grant under which a lead process runs, or is being started or
	// ended; 0 when surely no process runs as the lead.
	Grant uint64 `json:"grant,omitempty"`
	// Offer is a number that changes with each life of a lead process. A grant
	// repeats it, so that an answer that comes late starts nothing twice.
	Offer uint64 `json:"offer,omitempty"`
	// Ready is true when the process passes the agent's checks.
	Ready bool `json:"ready,omitempty"`
	// Age is how long the process has been running.
	Age time.Duration `json:"age,omitempty"`
	// Done is the last order to restart that was carried out.
	Done uint64 `json:"done,omitempty"`
	// Epoch is the control epoch that the process has seen, and NextEpoch the one that it
	// will have seen if it is started anew now, see Settled.
	Epoch     Epoch `json:"epoch,omitempty"`
	NextEpoch Epoch `json:"next_epoch,omitempty"`
	// Release is the release that the server's files are, and ReleaseHash the hash of
	// its manifest in hexadecimal digits; 0 and "" are none.
	Release     uint64 `json:"release,omitempty"`
	ReleaseHash string `json:"release_hash,omitempty"`
	// Staged is the newest release of which everything is here, ready to be applied.
	Staged uint64 `json:"staged,omitempty"`
	// Pending is true while files have changed here that are in no release yet.
	Pending bool `json:"pending,omitempty"`
	// Trouble says why the newest release can't be staged or applied here. At most 512
	// bytes.
	Trouble string `json:"trouble,omitempty"`
	// Stale is true when the process has lost database connections that it does
	// not make anew: its flow queue stands still.
	Stale bool `json:"stale,omitempty"`
	// MissingFiles is how many files of the replicated folder others are known to have and
	// this server does not. Uncompared is true while that is not known, since the folder has
	// not been compared with the others' since the agent was started, or found others again.
	MissingFiles int  `json:"missing_files,omitempty"`
	Uncompared   bool `json:"uncompared,omitempty"`
	// Failed is true when the process could not be kept running.
	Failed bool `json:"failed,omitempty"`
	// Term is the highest term that the agent has heard of.
	Term uint64 `json:"term,omitempty"`
	// Answer is the number of the last answer that the agent has, and Since how long it
	// has had that when it asks; 0 for none, or when the agent has stood still since, and
	// can't be sure of what it says.
	Answer uint64        `json:"answer,omitempty"`
	Since  time.Duration `json:"since,omitempty"`
	// Witnesses are those that the holder was told last.
	Witnesses []string `json:"witnesses,omitempty"`
	// Heard is true when the agent has had an answer within HeardTime.
	Heard bool `json:"heard,omitempty"`
	// Ended is how long ago the last lead process here ended; 0 when none was seen to, or
	// it is not known when.
	Ended time.Duration `json:"ended,omitempty"`
	// Missed names schedules that nobody has fired when a lead server ended, or of which
	// that is not known, for people to run; StrandedTickets names tickets that stand still
	// and that no start of a lead server moves on; FailedCommands names commands for a change
	// that have failed. At most MaxNotices of each, in sentences of MaxNoticeText bytes.
	Missed          []string `json:"missed,omitempty"`
	StrandedTickets []string `json:"stranded_tickets,omitempty"`
	FailedCommands  []string `json:"failed_commands,omitempty"`
	// Stranded is how long ago the agent found tickets that only a lead server's start
	// moves on, although the journal has no row of them; 0 when it found none.
	Stranded time.Duration `json:"stranded,omitempty"`
	// Pauses is how many tickets wait in a pause that is over and that the lead process
	// here does not know of: another server made it. A lead server's next start goes on
	// with them.
	Pauses int `json:"pauses,omitempty"`
	// Flows is the version of the directory of deployed flows that the agent has, "" for
	// none. At most 64 bytes.
	Flows string `json:"flows,omitempty"`
}

// Validate refuses what no agent says.
func (a Ask) Validate() error {
	if a.Server == "" || len(a.Server) > maxName {
		return fmt.Errorf("ask: server name of %d bytes", len(a.Server))
	}
	switch a.Runs {
	case "", Follower, Lead:
	default:
		return fmt.Errorf("ask: %.20q is nothing that a server runs as", a.Runs)
	}
	if a.Runs == Lead && a.Grant == 0 {
		return errors.New("ask: a lead process without a grant")
	}
	if a.Age < 0 || a.Ended < 0 || a.Stranded < 0 || a.Since < 0 {
		return errors.New("ask: an age is negative")
	}
	if a.MissingFiles < 0 {
		return fmt.Errorf("ask: %d files are missing", a.MissingFiles)
	}
	if a.Pauses < 0 || a.Pauses > maxPauses {
		return fmt.Errorf("ask: %d tickets in a pause", a.Pauses)
	}
	if len(a.Flows) > maxName {
		return fmt.Errorf("ask: a version of flows of %d bytes", len(a.Flows))
	}
	for _, texts := range [][]string{a.Missed, a.StrandedTickets, a.FailedCommands} {
		if err := checkNotices(texts); err != nil {
			return fmt.Errorf("ask: %w", err)
		}
	}
	if err := checkWitnesses(a.Witnesses); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return errors.Join(a.Epoch.Validate(), a.NextEpoch.Validate())
}

// Bounds of what an agent tells people of one kind of thing: sentences, and bytes of each.
const (
	MaxNotices    = 20
	MaxNoticeText = 400
)

func checkNotices(texts []string) error {
	if len(texts) > MaxNotices {
		return fmt.Errorf("%d sentences for people, more than %d", len(texts), MaxNotices)
	}
	for _, text := range texts {
		if len(text) > MaxNoticeText {
			return errors.New("a sentence for people of too many bytes")
		}
	}
	return nil
}

func checkWitnesses(names []string) error {
	if len(names) > MaxWitnesses {
		return fmt.Errorf("%d witnesses, more than %d", len(names), MaxWitnesses)
	}
	return checkNames(slices.Values(names))
}

// Answer is what the coordinator wants of an agent's server.
type Answer struct {
	// Term is the booster's.
	Term uint64 `json:"term"`
	Part Part   `json:"part"`
	// Number is the answer's own, which the next question repeats.
	Number uint64 `json:"number,omitempty"`
	// Grant and Offer are set with Lead. A running lead process goes on when Grant
	// is its own; one is started when Offer is the agent's.
	Grant uint64 `json:"grant,omitempty"`
	Offer uint64 `json:"offer,omitempty"`
	// Vacant is the time without a lead server that the process ends, until it is seen
	// to run; nil when that is not known.
	Vacant *Vacancy `json:"vacant,omitempty"`
	// Sifted is true, with Lead and until the process is seen to run, when a ticket that
	// stands still between two steps is surely nobody's.
	Sifted bool `json:"sifted,omitempty"`
	// Alone is true where only one booster is configured, and Witnesses names the
	// agents that the holder asks when it does not reach that one.
	Alone     bool     `json:"alone,omitempty"`
	Witnesses []string `json:"witnesses,omitempty"`
	// Restart is the number of an order: a process that was started before it is
	// restarted. 0 is none. Fast allows little time to end, as for a server that
	// is idle.
	Restart uint64 `json:"restart,omitempty"`
	Fast    bool   `json:"fast,omitempty"`
	// Apply is the release that is to be applied while the process is stopped: with
	// Restart, or before one that does not run is started. 0 is none.
	Apply uint64 `json:"apply,omitempty"`
	// Head is the newest release that the booster knows, and HeadHash its hash; 0 and
	// "" are none.
	Head     uint64 `json:"head,omitempty"`
	HeadHash string `json:"head_hash,omitempty"`
	// Settled is what a process that is started from now on has seen. Without an Epoch the
	// booster knows nothing newer than what it, or the one before it, has said.
	Settled Settled `json:"settled,omitzero"`
}

// Validate refuses what no coordinator says.
func (a Answer) Validate() error {
	switch a.Part {
	case Wait, Follower:
	case Lead:
		if a.Grant == 0 {
			return errors.New("answer: lead without a grant")
		}
	default:
		return fmt.Errorf("answer: %.20q is nothing that a server can be run as", a.Part)
	}
	if v := a.Vacant; v != nil && (v.Ended < 0 || v.Ran < v.Ended) {
		return errors.New("answer: a lead process that ran after the last one ended")
	}
	if err := checkWitnesses(a.Witnesses); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if err := a.Settled.Epoch.Validate(); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// Orders are what the coordinator wants of all boosters. They hold for OrderTime. A
// booster that has just started does not know which hold: it keeps work back by itself
// until it is given some, and no longer than OrderTime.
type Orders struct {
	// Term is the coordinator's.
	Term uint64 `json:"term"`
	// Hold keeps work back that may add to the flow queue's journal.
	Hold bool `json:"hold,omitempty"`
	// Out are servers that get no requests, with the reason.
	Out map[string]string `json:"out,omitempty"`
}

// Validate refuses what no coordinator orders.
func (o Orders) Validate() error {
	if len(o.Out) > maxServers {
		return fmt.Errorf("orders: %d servers are taken out, more than %d", len(o.Out), maxServers)
	}
	for _, reason := range o.Out {
		if len(reason) > 512 {
			return errors.New("orders: a reason of more than 512 bytes")
		}
	}
	return checkNames(maps.Keys(o.Out))
}

// Doors is what the boosters say when they have taken orders.
type Doors struct {
	// InFlight is how many requests hold a place on a server, over all boosters.
	InFlight map[string]int `json:"in_flight,omitempty"`
	// Up are the servers that are up in the view of all boosters that serve.
	Up map[string]bool `json:"up,omitempty"`
	// Working is how many requests that may add to the journal are at a server.
	Working int `json:"working,omitempty"`
}

// Validate refuses what no booster says.
func (d Doors) Validate() error {
	if len(d.InFlight) > maxServers || len(d.Up) > maxServers {
		return fmt.Errorf("doors: more than %d servers", maxServers)
	}
	for _, n := range d.InFlight {
		if n < 0 {
			return errors.New("doors: a negative number of requests")
		}
	}
	if d.Working < 0 {
		return errors.New("doors: a negative number of requests")
	}
	return errors.Join(checkNames(maps.Keys(d.InFlight)), checkNames(maps.Keys(d.Up)))
}

// Add takes another booster's answer in.
func (d *Doors) Add(o Doors) {
	if d.InFlight == nil {
		d.InFlight = make(map[string]int)
	}
	if d.Up == nil {
		d.Up = make(map[string]bool)
	}
	for name, n := range o.InFlight {
		d.InFlight[name] += n
	}
	for name, up := range o.Up {
		if was, known := d.Up[name]; known {
			up = up && was
		}
		d.Up[name] = up
	}
	d.Working += o.Working
}

func checkNames(names func(func(string) bool)) error {
	for name := range names {
		if name == "" || len(name) > maxName {
			return fmt.Errorf("a name of %d bytes", len(name))
		}
	}
	return nil
}
