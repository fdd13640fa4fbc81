package omflow

import (
	"net/http"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// TicketFields is what a body says of the ticket that a request opens or pushes. Its
// texts are parts of the body.
type TicketFields struct {
	// Flow is the flow's UUID as it is written, if it is without escapes.
	Flow []byte
	// ByNames is true when an application and a flow are named, which count more.
	ByNames bool
	// Creates is true when the body asks for a ticket to be opened.
	Creates bool
	// No is the ticket's number and Row its row, data_no and data_id; 0 where none is
	// named.
	No, Row int64
}

// TicketFields reads a whole body, of whose equal members Python takes the last. ok is
// false when it is not JSON: forms are not read here. It allocates nothing.
func (t *Table) TicketFields(body []byte) (f TicketFields, ok bool) {
	app, name := false, false
	s := jsonscan.Scan(body)
	for s.Next() {
		switch {
		case jsonscan.Equal(s.Key, "flow_uuid"):
			f.Flow, _ = jsonscan.Text(s.Value)
		case jsonscan.Equal(s.Key, "app_name"):
			app = namesOne(s.Value)
		case jsonscan.Equal(s.Key, "flow_name"):
			name = namesOne(s.Value)
		case jsonscan.Equal(s.Key, "data_no"):
			f.No = digits(s.Value)
		case jsonscan.Equal(s.Key, "data_id"):
			f.Row = digits(s.Value)
		case jsonscan.Equal(s.Key, t.profile.Action.Field):
			v, text := jsonscan.Text(s.Value)
			f.Creates = text && saysOne(v, t.profile.Action.Create)
		}
	}
	f.ByNames = app && name
	return f, s.Whole() && utf8.Valid(body)
}

// namesOne reports whether a value names something.
func namesOne(value []byte) bool {
	text, ok := jsonscan.Text(value)
	return ok && len(text) > 0
}

// digits is the positive number that a value stands for, written as one or as a string
// of digits, as pages do; 0 for anything else.
func digits(value []byte) (n int64) {
	if text, ok := jsonscan.Text(value); ok {
		value = text
	}
	if len(value) > 18 {
		return 0
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// TicketAnswer reads the answer to a request that opens or pushes a ticket: whether it
// says that this was done, and the ticket's number, 0 for none. ok is false when it is
// not one of OMFLOW's JSON answers.
func TicketAnswer(body []byte) (no int64, done, ok bool) {
	a, ok := readReply(body)
	if !ok || a.status != http.StatusOK {
		return 0, false, ok
	}
	return digits(a.result), true, true
}
