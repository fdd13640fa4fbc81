package omflow

import (
	"net/http"
	"strings"

	"github.com/omflow/booster/internal/omflow/jsonscan"
	"github.com/omflow/booster/internal/omflow/token"
)

// SilentLoss reports whether an answer says that a ticket was created but names no
// ticket: JSON status 200 with result null, to a create under /flowmanage/api/omdata/
// edit/, also under /rest/. Whether it is a create is told by the request's body, or,
// where that is no clear JSON or not whole, by the answer's message. Other URLs of
// OMFLOW, a service request among them, answer null whenever they succeed.
//
// It is a suspicion. On OMFLOW 1.1.0.0 such an answer means one of three things:
//
//   - The flow's model file is missing on that server, or the server was not restarted
//     since it came: no ticket exists (measured).
//   - The flow has a validation flow before its first step: the ticket is created,
//     with a number, when that has run and passed (read in the source).
//   - The flow engine failed in the middle of the create; a ticket may or may not
//     exist (read in the source).
//
// CheckLoss tells the first from the others. Only in that case is NotCreated true, and
// a second create harmless.
func (t *Table) SilentLoss(r *Request, status int, body []byte) bool {
	if !t.repairs.LostCreates || status != http.StatusOK || !t.isEdit(r.Path) {
		return false
	}
	a, ok := readReply(body)
	if !ok || a.status != http.StatusOK || string(a.result) != "null" {
		return false
	}
	return a.says(t.created) || t.asksToCreate(r)
}

func (t *Table) isEdit(path string) bool {
	var buf [pathBuffer]byte
	decoded, _ := decodePath(buf[:0], path)
	inner, edit := t.belowREST(decoded), t.profile.Tickets.Edit
	return len(inner) > len(edit) && hasPrefix(inner, edit)
}

// asksToCreate reports whether the body is a whole JSON object whose last action,
// which counts for Python, is a create.
func (t *Table) asksToCreate(r *Request) bool {
	body, complete := r.body()
	if !complete {
		return false
	}
	s := jsonscan.Scan(body)
	create := false
	for s.Next() {
		if jsonscan.Equal(s.Key, t.profile.Action.Field) {
			v, ok := jsonscan.Text(s.Value)
			create = ok && saysOne(v, t.profile.Action.Create)
		}
	}
	return create && s.Whole()
}

// LossCheck is a request that asks the server that gave a suspicious answer whether it
// has the flow's model. It changes nothing and costs one small SELECT.
type LossCheck struct {
	Method      string
	Path        string // percent-encoded
	ContentType string
	Body        []byte
}

// CheckLoss returns the request that settles a SilentLoss. It must go to the server
// that answered the create, at once: with the Cookie field of r if r is not under
// /rest/, and without one if it is. restToken is the REST token that the create was sent
// with; only calls under /rest/ need one. The answer is judged with Lost.
//
// ok is false when the flow can't be told from the request: from a doubtful path, a
// form, or a body that was not seen whole. Then, and when the check fails, the server's
// answer has to be given to the client as it is.
//
// A flow with an API path is asked for by that, which every user may. A flow of the
// browser's pages is asked for by its UUID, with a list of one ticket; a user who may
// create but not see tickets gets no answer that says anything. That one is a GET with
// a body, which OMFLOW takes, because Django asks no CSRF token of a GET.
func (t *Table) CheckLoss(r *Request, restToken string) (check LossCheck, ok bool) {
	var buf [pathBuffer]byte
	decoded, doubt := decodePath(buf[:0], r.Path)
	rest, tickets := t.underREST(decoded) != nil, &t.profile.Tickets
	if doubt != pathPlain || !t.isEdit(r.Path) || rest && !token.Valid(restToken) {
		return LossCheck{}, false
	}
	raw := strings.TrimSuffix(r.Path, "/")
	name := raw[strings.LastIndexByte(raw, '/')+1:] // a plain path has no encoded slash
	prefix := ""
	if rest {
		prefix = strings.TrimSuffix(t.profile.REST, "/")
	}
	if len(raw)-len(name) != len(prefix)+len(tickets.Edit) {
		return LossCheck{}, false // not one segment, or spelled with escapes
	}
	check = LossCheck{Method: http.MethodGet, ContentType: "application/json"}
	fields := ""
	if rest {
		check.Method = http.MethodPost
		fields = `"` + t.profile.Tokens.Field + `":"` + restToken + `","omflow_restapi":true,`
	}
	if name != tickets.ByUUID {
		check.Path = prefix + tickets.IDs + name + "/"
		check.Body = []byte("{" + fields + `"data_no":1}`)
		return check, true
	}
	uuid, ok := flowUUID(r)
	if !ok {
		return LossCheck{}, false
	}
	if !rest {
		fields = `"omflow_restapi":true,` // the short form of the list
	}
	check.Path = prefix + tickets.List + tickets.ByUUID + "/"
	check.Body = []byte("{" + fields + `"flow_uuid":"` + uuid +
		`","search_columns":["id"],"search_conditions":[],"order_columns":["id"],"start":0,"limit":1}`)
	return check, true
}

// flowUUID returns the UUID that a create's body names its flow by.
func flowUUID(r *Request) (string, bool) {
	body, complete := r.body()
	if !complete {
		return "", false
	}
	var uuid []byte
	s := jsonscan.Scan(body)
	for s.Next() {
		switch {
		case jsonscan.Equal(s.Key, "flow_uuid"):
			uuid, _ = jsonscan.Text(s.Value)
		case jsonscan.Equal(s.Key, "app_name"), jsonscan.Equal(s.Key, "flow_name"):
			return "", false // two names together come before the UUID
		}
	}
	if !s.Whole() || len(uuid) < 32 || len(uuid) > token.Length {
		return "", false
	}
	for _, c := range uuid {
		if _, ok := jsonscan.HexDigit(c); !ok && c != '-' {
			return "", false
		}
	}
	return string(uuid), true
}

// Lost reports whether the answer to a LossCheck proves that the create before it made
// no ticket: the server has no model of the flow. Every other answer proves nothing.
func (t *Table) Lost(status int, body []byte) bool {
	if status != http.StatusOK {
		return false
	}
	a, ok := readReply(body)
	return ok && (a.status == http.StatusNotFound || a.status == http.StatusInternalServerError) && a.says(t.profile.Tickets.NoModel)
}
