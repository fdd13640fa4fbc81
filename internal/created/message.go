package created

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Paths of the control API, all for POST.
const (
	// LookPath is where an agent answers a booster's Question.
	LookPath = "/created/v1/look"
	// SettlePath is where a booster tells another what it has answered, see Settle.
	SettlePath = "/created/v1/settle"
	// ReservePath is where a booster notes a number that another is about to give away.
	ReservePath = "/created/v1/reserve"
)

const (
	// MaxMessage bounds a message, in bytes: 300 columns of a question, or MaxNumbers twice.
	MaxMessage = 256 << 10
	// MaxPending bounds Answer.Pending, in bytes.
	MaxPending = 200
	// MaxNumbers bounds the rows that are looked at for one create. In ten seconds a busy
	// cluster opens some hundred tickets.
	MaxNumbers = 4000
	// maxColumns is how many fields a form may have.
	maxColumns = 300
	maxText    = 300
)

var (
	idForm     = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)
	flowForm   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	columnForm = regexp.MustCompile(`^formitm_[0-9]{1,5}$`)
	sumForm    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Lost is a create whose server has not answered it.
type Lost struct {
	// Server is the server's name.
	Server string
	// Flow is the flow's UUID as 32 hexadecimal digits in lower case.
	Flow string
	// User is who the create was signed in as.
	User string
	// Columns are what its form says, see omflow.Table.Opened.
	Columns map[string]string
	// After is a number of the flow that was given away before the create was sent, 0 if
	// none is known: its own is larger.
	After int64
	// Sent is when it was sent.
	Sent time.Time
}

// Question is what the agent of a server that died is asked about one create.
type Question struct {
	// ID tells it from other creates: questions about it are repeated.
	ID string `json:"id"`
	// Flow, User, Columns and After are those of Lost.
	Flow    string            `json:"flow"`
	User    string            `json:"user"`
	Columns map[string]string `json:"columns"`
	After   int64             `json:"after,omitempty"`
	// Age is how long ago it was sent. The clocks of two machines differ.
	Age time.Duration `json:"age"`
}

// Validate refuses what no booster asks.
func (q Question) Validate() error {
	switch {
	case !idForm.MatchString(q.ID) || !flowForm.MatchString(q.Flow):
		return errors.New("a question about no create")
	case q.User == "" || len(q.User) > maxText || q.After < 0 || q.Age < 0 || q.Age > time.Hour:
		return errors.New("a question about a create that nobody has sent")
	case len(q.Columns) == 0 || len(q.Columns) > maxColumns:
		return fmt.Errorf("a question about a form of %d fields", len(q.Columns))
	}
	for column, sum := range q.Columns {
		if !columnForm.MatchString(column) || !sumForm.MatchString(sum) {
			return errors.New("a question about a field that no form has")
		}
	}
	return nil
}

// Answer is what the flow's table holds.
type Answer struct {
	// Ended is how long ago the process that had the create was seen to be gone.
	Ended time.Duration `json:"ended"`
	// Equal are the numbers of tickets, made since the create was sent, that hold what it
	// says. Other are those that hold neither this nor what another create says that was
	// lost with the same server.
	Equal []int64 `json:"equal,omitempty"`
	Other []int64 `json:"other,omitempty"`
	// Pending says why it is not proved that no more tickets come of what the process had
	// sent to the database; "" when it is. At most 200 bytes.
	Pending string `json:"pending,omitempty"`
}

// Validate refuses what no agent answers.
func (a Answer) Validate() error {
	if a.Ended < 0 || len(a.Equal)+len(a.Other) > MaxNumbers {
		return fmt.Errorf("an answer with %d tickets", len(a.Equal)+len(a.Other))
	}
	if len(a.Pending) > MaxPending {
		return fmt.Errorf("an answer with a reason of %d bytes", len(a.Pending))
	}
	return nil
}

// Settle asks a booster which of these numbers of a flow it has not given away.
type Settle struct {
	// For is the Question's ID: numbers that are reserved for it are not given away.
	For     string  `json:"for"`
	Flow    string  `json:"flow"`
	Numbers []int64 `json:"numbers"`
}

// Validate refuses what no booster asks.
func (s Settle) Validate() error {
	if !idForm.MatchString(s.For) || !flowForm.MatchString(s.Flow) || len(s.Numbers) > MaxNumbers {
		return fmt.Errorf("a question about %d numbers", len(s.Numbers))
	}
	return nil
}

// Settled is the answer.
type Settled struct {
	// Open are the numbers that it has not given away.
	Open []int64 `json:"open"`
	// Age is how long it has noted what it gives away.
	Age time.Duration `json:"age"`
}

// Reserve has a booster note that another is about to give a number away.
type Reserve struct {
	// For is the Question's ID.
	For  string `json:"for"`
	Flow string `json:"flow"`
	No   int64  `json:"no"`
}

// Validate refuses what is no ticket's.
func (r Reserve) Validate() error {
	if !idForm.MatchString(r.For) || !flowForm.MatchString(r.Flow) || r.No <= 0 {
		return errors.New("a number that no ticket has")
	}
	return nil
}
