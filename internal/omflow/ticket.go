package omflow

import (
	"bytes"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// TicketFields is what a body says of the ticket that a request opens or pushes. Its
// texts are parts of the body, escapes as they are written.
type TicketFields struct {
	// UUID, APIPath, and App and Name are the fields by which a flow can be named; which
	// of them OMFLOW goes by is told by FlowPlace. They are empty where there are none.
	UUID, APIPath, App, Name []byte
	// Creates is true when the body asks for a ticket to be opened, and OnlyCreates when
	// no other program could read it otherwise.
	Creates, OnlyCreates bool
	// No is the ticket's number and Row its row, data_no and data_id; 0 where none is
	// named.
	No, Row int64
}

// ByNames reports whether an application and a flow are named, which count more than a
// UUID.
func (f *TicketFields) ByNames() bool { return len(f.App) > 0 && len(f.Name) > 0 }

// TicketFields reads a whole body, of whose equal members Python takes the last. ok is
// false when it is not JSON: OMFLOW takes it for a form then, see FormFields. It allocates
// nothing.
func (t *Table) TicketFields(body []byte) (f TicketFields, ok bool) {
	creates, others := false, false
	s := jsonscan.Scan(body)
	for s.Next() {
		switch {
		case jsonscan.Equal(s.Key, "flow_uuid"):
			f.UUID, _ = jsonscan.Text(s.Value)
		case jsonscan.Equal(s.Key, "api_path"):
			f.APIPath, _ = jsonscan.Text(s.Value)
		case jsonscan.Equal(s.Key, "app_name"):
			f.App, _ = jsonscan.Text(s.Value)
		case jsonscan.Equal(s.Key, "flow_name"):
			f.Name, _ = jsonscan.Text(s.Value)
		case jsonscan.Equal(s.Key, "data_no"):
			f.No = digits(s.Value)
		case jsonscan.Equal(s.Key, "data_id"):
			f.Row = digits(s.Value)
		case jsonscan.Equal(s.Key, t.profile.Action.Field):
			v, text := jsonscan.Text(s.Value)
			f.Creates = text && saysOne(v, t.profile.Action.Create)
			creates, others = creates || f.Creates, others || !f.Creates
		}
	}
	f.OnlyCreates = creates && !others
	return f, s.Whole() && utf8.Valid(body)
}

// FlowFields returns what they say of the flow.
func (f *TicketFields) FlowFields() FlowFields {
	return FlowFields{UUID: unescaped(f.UUID), APIPath: unescaped(f.APIPath), App: unescaped(f.App), Name: unescaped(f.Name), Create: f.OnlyCreates}
}

// unescaped is the text that the inside of a string stands for.
func unescaped(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	var b strings.Builder
	for len(raw) > 0 {
		var r rune
		r, raw = jsonscan.DecodeRune(raw)
		b.WriteRune(r)
	}
	return b.String()
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

// TicketOutcome is what an answer says of a request that opens or pushes a ticket.
type TicketOutcome uint8

const (
	// TicketUnclear: the answer is not one of OMFLOW's JSON answers.
	TicketUnclear TicketOutcome = iota
	// TicketDone: it was carried out.
	TicketDone
	// TicketRefused: nothing of it was carried out.
	TicketRefused
	// TicketFailed: the flow engine had begun with it, and ended in an error. It goes from
	// one flow to another within one request (a flow that checks a ticket's data, one within
	// another, one that has opened another): when the second one fails, the first may have
	// put a step into the flow queue (checkActive in omengine.py, OMFLOW 1.1.0.0).
	TicketFailed
)

// TicketAnswer reads the answer to a request that opens or pushes a ticket. no is the
// ticket's number when it was carried out, 0 for none.
func (t *Table) TicketAnswer(body []byte) (no int64, outcome TicketOutcome) {
	a, ok := readReply(body)
	switch {
	case !ok:
		return 0, TicketUnclear
	case a.status == http.StatusOK:
		return digits(a.result), TicketDone
	case a.begins(t.failed):
		return 0, TicketFailed
	default:
		return 0, TicketRefused
	}
}
