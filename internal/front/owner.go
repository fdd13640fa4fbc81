package front

import (
	"net/http"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/rollout/owners"
)

// OwnerPath begins the name that a flow has in Config.Owners when the directory of deployed
// flows does not have it: its API path follows.
const OwnerPath = "path:"

// owned is what is noted of a request that puts a step of a ticket into the flow queue of
// the server that it is sent to.
type owned struct {
	looked  bool // whether what follows was found out
	notes   bool // whether it is noted at all
	opens   bool // whether it may open a ticket whose number its answer says
	request owners.Request
	no      int64  // of the ticket, if the request names one
	number  uint64 // of the note that stands open, or 0
}

// noteSent notes that the request is about to be sent to a server.
func (x *passage) noteSent(server *balance.Server) {
	book := x.f.cfg.Owners
	if book == nil && x.f.cfg.Created == nil || !x.work || x.f.cfg.Plain {
		return
	}
	o := &x.owned
	if !o.looked {
		o.looked = true
		o.notes = x.findOwned()
	}
	if o.notes && book != nil {
		o.number = book.Sent(time.Now(), server.Name(), o.request)
	}
	x.beginCreate()
}

// noteAnswer notes what became of it, as the whole answer tells. One that tells nothing
// leaves the note open for noteEnded: it may have been carried out.
func (x *passage) noteAnswer(status int, body []byte) {
	o := &x.owned
	if o.number == 0 && x.create == nil || status != http.StatusOK {
		return
	}
	no, outcome := x.f.cfg.Table.TicketAnswer(body)
	if outcome != omflow.TicketUnclear && x.create != nil {
		x.create.End(no)
	}
	if o.number == 0 {
		return
	}
	switch {
	case outcome == omflow.TicketRefused:
		x.noteUnsent()
		return
	case outcome != omflow.TicketDone:
		return
	case no == 0 && o.opens && o.no == 0 && o.request.Row == 0:
		return // it may have a step in the queue that makes the ticket later
	case no == 0:
		no = o.no
	}
	x.f.cfg.Owners.Done(time.Now(), o.number, no)
	o.number = 0
}

// noteStatus notes that a server has refused it before OMFLOW's own code was asked: by the
// way to the login page, or as wrong. Those are no part of its JSON answers.
func (x *passage) noteStatus(status int) {
	if status >= http.StatusMultipleChoices && status < http.StatusInternalServerError {
		x.noteUnsent()
	}
}

// noteUnsent notes that surely nothing of it was carried out.
func (x *passage) noteUnsent() {
	if o := &x.owned; o.number != 0 {
		x.f.cfg.Owners.Refused(o.number)
		o.number = 0
	}
}

// noteEnded notes that a server's work on it has ended, if nothing has told what became of it:
// the answer was an error, or not understood, or there was none.
func (x *passage) noteEnded() {
	if o := &x.owned; o.number != 0 {
		x.f.cfg.Owners.Ended(time.Now(), o.number)
		o.number = 0
	}
}

// findOwned finds out what ticket the request is about. It reports false when it is about
// none.
func (x *passage) findOwned() bool {
	o, table := &x.owned, x.f.cfg.Table
	name, place := table.FlowOf(x.view.Path)
	if place == omflow.FlowInService {
		return true // it opens a ticket of some flow, and the answer says of none
	}
	fields, clear := x.ticketFields()
	if clear && place != omflow.FlowInPath && !fields.ByNames() {
		o.request.Flow = x.flowUUID(fields.UUID)
	}
	switch {
	case place == omflow.FlowNowhere:
		// Nothing is known of it, but that it may put a ticket on.
		o.request.Unclear, o.no = true, fields.No
		return clear && fields.No != 0 && o.request.Flow != "" && x.trace.Lane != omflow.Control
	case place == omflow.FlowInPath:
		o.request.Flow = x.flowByPath(string(name))
	case !clear:
		o.request.Flow = x.flowOfForm()
	}
	o.opens = !clear || fields.Creates
	if o.no = fields.No; !clear {
		o.request.Unclear = true
	} else if !fields.Creates {
		o.request.Row, o.request.Unclear = fields.Row, fields.Row == 0
	}
	return true
}

// directory is what is known of the deployed flows, or nil.
func (x *passage) directory() *flows.Directory {
	if x.f.cfg.Flows == nil {
		return nil
	}
	return x.f.cfg.Flows()
}

// flowUUID is the text of a flow's UUID, "" for one that none has.
func (x *passage) flowUUID(uuid []byte) string {
	if len(uuid) != 32 {
		return ""
	}
	if f, ok := x.directory().ByUUID(string(uuid)); ok {
		return f.UUID
	}
	return string(uuid)
}

// flowByPath names the flow that has an API path.
func (x *passage) flowByPath(path string) string {
	if f, ok := x.directory().ByAPIPath(path); ok {
		return f.UUID
	}
	return OwnerPath + path
}

// flowOfForm names the flow that a form with files names, "" if that is not clear.
func (x *passage) flowOfForm() string {
	if !multipartBody(x.view.ContentType) {
		return ""
	}
	name := flowOf(x.f.cfg.Table, &x.view, x.body)
	if name.by != flowByUUID {
		return ""
	}
	return x.flowUUID([]byte(name.name))
}
