package omflow

import (
	"bytes"
	"mime"
	"net/url"
	"slices"
)

// FlowPlace says where a request that opens a ticket names its flow (read in the source
// of OMFLOW 1.1.0.0).
type FlowPlace uint8

const (
	// FlowNowhere: the URL opens no ticket, or is spelled so that it is in doubt.
	FlowNowhere FlowPlace = iota
	// FlowInPath: the URL ends with the flow's API path.
	FlowInPath
	// FlowInBody: the field flow_uuid, or app_name and flow_name together, which count
	// more.
	FlowInBody
	// FlowInService: the field api_path of a service request.
	FlowInService
)

// FlowOf returns where a request to a path, percent-encoded, names the flow of the ticket
// that it opens, and the name if that is in the path, decoded.
func (t *Table) FlowOf(path string) (name string, place FlowPlace) {
	var buf [pathBuffer]byte
	decoded, doubt := decodePath(buf[:0], path)
	inner, tickets := t.belowREST(decoded), &t.profile.Tickets
	switch {
	case doubt != pathPlain:
		return "", FlowNowhere
	case string(inner) == tickets.Service:
		return "", FlowInService
	case tickets.Edit == "" || len(inner) <= len(tickets.Edit) || !hasPrefix(inner, tickets.Edit):
		return "", FlowNowhere
	}
	name = string(inner[len(tickets.Edit) : len(inner)-1])
	if name == tickets.ByUUID {
		return "", FlowInBody
	}
	return name, FlowInPath
}

// FlowFields is what a body says of the flow whose ticket a request opens or pushes.
type FlowFields struct {
	// UUID, APIPath, and App and Name are as in TicketFields.
	UUID, APIPath, App, Name string
	// Create is true when the body asks for a ticket to be opened, and for nothing else.
	Create bool
}

// maxFields is how many fields Django takes in a form (DATA_UPLOAD_MAX_NUMBER_FIELDS).
const maxFields = 1000

// FormFields reads a whole body that is no JSON, as OMFLOW does then: as a form, of whose
// equal fields Django takes the last. ok is false if it can't be understood for sure; a
// multipart form is not read here.
func (t *Table) FormFields(body []byte, contentType string) (FlowFields, bool) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return FlowFields{}, false
	}
	if bytes.Count(body, []byte("&")) >= maxFields {
		return FlowFields{}, false
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return FlowFields{}, false
	}
	last := func(name string) string {
		if v := values[name]; len(v) > 0 {
			return v[len(v)-1]
		}
		return ""
	}
	return FlowFields{
		UUID: last("flow_uuid"), APIPath: last("api_path"), App: last("app_name"), Name: last("flow_name"),
		Create: len(values[t.profile.Action.Field]) == 1 && slices.Contains(t.profile.Action.Create, last(t.profile.Action.Field)),
	}, true
}
