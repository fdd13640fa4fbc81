package front

import (
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/omflow/flows"
)

// pauses reports whether the request opens or pushes a ticket that may come to a pause,
// which only the lead server ends: see package flows. While some flow pauses, work of
// which it is not clear what flow it is for counts, too.
func (x *passage) pauses() bool {
	cfg := &x.f.cfg
	if !x.work || cfg.Flows == nil || !cfg.Table.Repairs().Pauses {
		return false
	}
	d := cfg.Flows()
	if !d.MayPause() {
		return false
	}
	t, clear := x.ticket(d)
	switch {
	case !clear:
		return true
	case !t.known:
		return d.More() // OMFLOW does not know it either, or it has just been deployed
	case t.opens:
		return t.flow.PauseOnOpen
	default:
		return t.flow.PauseOnPush
	}
}

// ticket is what a request says of the ticket that it opens or pushes.
type ticket struct {
	flow  flows.Flow
	known bool // whether the directory has the flow
	opens bool // it surely opens one
}

// ticket finds out for what flow the request is, as OMFLOW does. It reports false when
// that is not clear.
func (x *passage) ticket(d *flows.Directory) (t ticket, clear bool) {
	name, place := x.f.cfg.Table.FlowOf(x.view.Path)
	if place == omflow.FlowInPath {
		if t.flow, t.known = d.ByAPIPath(name); t.flow.PauseOnOpen == t.flow.PauseOnPush {
			return t, true // whatever it does
		}
	}
	fields, clear := x.flowFields()
	t.opens = fields.Create || place == omflow.FlowInService
	switch {
	case place == omflow.FlowInPath:
		return t, true // unclear fields open nothing for sure
	case !clear:
		return t, false
	case place == omflow.FlowInService:
		t.flow, t.known = d.ByAPIPath(fields.APIPath)
	case fields.App != "" && fields.Name != "" && place == omflow.FlowInBody:
		t.flow, t.known = d.ByName(fields.App, fields.Name)
	case fields.UUID != "":
		t.flow, t.known = d.ByUUID(fields.UUID)
	default:
		return t, false
	}
	return t, true
}

// flowFields reads the body. It reports false when it can't be understood for sure.
func (x *passage) flowFields() (omflow.FlowFields, bool) {
	if multipartBody(x.view.ContentType) {
		var form flowForm
		ok := form.read(x.view.ContentType, x.body) && !form.byNames
		return omflow.FlowFields{UUID: form.flowUUID, APIPath: form.apiPath}, ok
	}
	if fields, ok := x.ticketFields(); ok {
		return fields.FlowFields(), true
	}
	body, ok := x.wholeBody()
	if !ok {
		return omflow.FlowFields{}, false
	}
	return x.f.cfg.Table.FormFields(body, x.view.ContentType)
}
