package omflow

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
