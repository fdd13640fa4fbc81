package database

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"strconv"
	"time"
)

// User is an account. OMFLOW's only job for it here is signing in.
type User struct {
	ID     int
	Name   string
	Nick   string
	Groups []int
	// Salt and Hash prove the password. One round of SHA-256 stands for OMFLOW's
	// PBKDF2, whose cost is part of the stand-in's time model instead: a test
	// machine must not burn a quarter of a second for each sign-in.
	Salt, Hash []byte
}

// NewUser returns an account with a salted proof of password. Its ID is given
// by the database when it is saved.
func NewUser(name, password string, groups ...int) User {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails: crypto/rand.Read ends the program instead
	return User{Name: name, Nick: name, Groups: groups, Salt: salt, Hash: proof(salt, password)}
}

// CheckPassword tells whether password is the account's.
func (u User) CheckPassword(password string) bool {
	return len(u.Hash) > 0 && subtle.ConstantTimeCompare(u.Hash, proof(u.Salt, password)) == 1
}

func proof(salt []byte, password string) []byte {
	h := sha256.New()
	h.Write(salt)
	h.Write([]byte(password))
	return h.Sum(nil)
}

// Session is a row of the session table. Data is signed by the server that
// wrote it; a server with another secret key cannot read it.
type Session struct {
	Key    string
	Data   []byte
	Expire time.Time
}

// Workspace is an application as its designer left it: deploying makes flows of
// it.
type Workspace struct {
	ID    int
	Name  string
	Flows []Design
}

// Design is one flow of a Workspace.
type Design struct {
	UUID    string `json:"uuid"` // 32 hexadecimal digits
	Name    string `json:"name"`
	APIPath string `json:"api_path"`
	Steps   []Step `json:"steps"`
	// Validation is how long the flow that checks a new ticket's data runs.
	// Zero: there is none.
	Validation time.Duration `json:"validation,omitempty"`
}

// Step is one stop of a flow.
type Step struct {
	// Name is the chart's text for the step, such as 任務分析.
	Name string `json:"name"`
	// Work is how long the step runs in the background. Zero is a form: the
	// ticket stops there until a person pushes it on.
	Work time.Duration `json:"work"`
	// Pause is how long the ticket rests before it goes on by itself. Zero: it does not.
	Pause time.Duration `json:"pause,omitempty"`
	// Parameter names a system parameter that a background step writes into the
	// ticket's status when it ends, as OMFLOW's calculations do.
	Parameter string `json:"parameter,omitempty"`
}

// App is a deployed application. OMFLOW keeps a row for each of its versions;
// here the versions share one.
type App struct {
	ID         int
	Name       string
	Version    int
	Undeployed bool
}

// Flow is a deployed flow: what it is made of and its switches. Who changes one
// saves the whole row.
type Flow struct {
	ID           int
	UUID         string
	AppID        int
	App          string
	Name         string
	APIPath      string
	Version      int
	Active       bool
	API          bool // may be called over /rest/
	Log          bool
	DisplayField string
	Undeployed   bool
	Steps        []Step
	Validation   time.Duration
}

// Ticket is one row of a flow's table. A ticket leaves a row for each step it
// went through; the rows with History false and Closed false are the open ones,
// and there should be one.
type Ticket struct {
	ID         int // data_id
	DataNo     int // the ticket's number; the same in all its rows
	Stop       string
	Title      string
	Level      string
	Status     string
	Group      string
	CreateUser string
	UpdateUser string
	CreateTime time.Time
	UpdateTime time.Time
	StopTime   time.Time // when it came to Stop; a new row has its old row's
	Form       json.RawMessage
	History    bool
	Closed     bool
	Running    bool
	Error      string // what went wrong; empty: nothing
	// Progress is what its flow has written down of it.
	Progress Progress
}

// QueueItem is a row of OMFLOW's table omflow_queuedata, the flow queue's
// journal: a ticket has left Chart and goes on from there. It has no owner column:
// no server can tell whose it is.
type QueueItem struct {
	ID       int
	FlowUUID string
	DataNo   int // 0 while the data of a new ticket is checked
	DataID   int
	Chart    string // FITEM_1 is the flow's start, FITEM_2 its first step
	User     string
	Created  time.Time
	// Push is true for a row that brings the ticket to Chart, from which it then goes on.
	Push bool
	// Form and Temp wait here while the data of a new ticket is checked.
	Form json.RawMessage
	Temp string
}

// QueueID is what OMFLOW writes into the column queue_id: flow, row and chart with
// nothing between them. The flow that checks a new ticket's data has no row yet,
// which Python writes None; two checks of one flow have the same queue_id. (In OMFLOW
// such a flow has a UUID of its own; here it goes by that of the flow it checks for.) Nor
// has one that brings a ticket to a chart a chart that it has left.
func (q QueueItem) QueueID() string {
	if q.DataID == 0 {
		return q.FlowUUID + "None" + q.Chart
	}
	if q.Push {
		return q.FlowUUID + strconv.Itoa(q.DataID) + "None"
	}
	return q.FlowUUID + strconv.Itoa(q.DataID) + q.Chart
}

// Parameter is a system parameter, which flows read from the memory of the process
// they run in.
type Parameter struct {
	ID          int
	Name        string
	Value       string
	Description string
	Type        string
	Shadow      bool
}

// Service is an entry of the service catalogue: a form with some fields filled in.
type Service struct {
	ID       string
	Defaults json.RawMessage // a list of form fields
}

// TempFile is a file that came with a ticket that is not there yet. The bytes lie
// on the disk of the server that took them, in a folder of Mapping's name.
type TempFile struct {
	ID      int
	Mapping string // flow and second: not only this ticket's
	Path    string // below the uploads folder, with slashes
	Name    string
	Size    int64
}

// Schedule is a row of the scheduler's table: create a ticket every so often.
type Schedule struct {
	ID       int
	FlowUUID string
	Cycle    string // Once, Secondly, Minutely, Hourly or Daily
	Every    int
	Exec     time.Time // when it fires first
	Form     json.RawMessage
	Active   bool
	// LastRun is the time that it was due when it fired last.
	LastRun time.Time
	// Mark is the column type. One with a mark belongs to no flow, as those that OMFLOW
	// makes for a step that pauses.
	Mark string
	// Pause is the ticket that goes on, in place of one that is created.
	Pause *Pause
	// Made is when the row was made, for those who read the table; no server asks for it.
	Made time.Time `json:"-"`
}

// Pause is a ticket that rests in a step.
type Pause struct {
	DataNo, DataID int
	// From is the chart that it has left, Chart that of the pause.
	From, Chart string
	User        string
}

// File is a row of the table of attachments. The bytes lie on the disk of the
// server that took them.
type File struct {
	ID       int
	FlowUUID string
	DataNo   int
	DataID   int
	Path     string // below the uploads folder, with slashes
	Name     string
	Size     int64
	Deleted  bool
	User     string
	Created  time.Time
}
