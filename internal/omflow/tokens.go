package omflow

import (
	"net/http"

	"github.com/omflow/booster/internal/omflow/jsonscan"
	"github.com/omflow/booster/internal/omflow/token"
)

// TokenPath returns the URL at which OMFLOW issues a REST token to the login in the
// Authorization field, by GET or POST.
func (t *Table) TokenPath() string { return t.profile.Tokens.Path }

// FindToken returns where in the body of a call its REST token is, see token.Find.
func (t *Table) FindToken(body []byte, contentType string) (at int, ok bool) {
	return token.Find(body, contentType, t.profile.Tokens.Field)
}

// FindTokenInQuery is FindToken for a call's query.
func (t *Table) FindTokenInQuery(query string) (at int, ok bool) {
	return token.FindInQuery(query, t.profile.Tokens.Field)
}

// IsTokenRequest reports whether a request asks OMFLOW for a REST token, with the
// login in its Authorization field. A doubtful spelling of the URL is none. Under
// /rest/, where the same URL needs a token already, none is issued to learn from.
func (t *Table) IsTokenRequest(r *Request) bool {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return false
	}
	var buf [pathBuffer]byte
	path, doubt := decodePath(buf[:0], r.Path)
	return doubt == pathPlain && string(path) == t.profile.Tokens.Path
}

// TokenAnswer returns the token that an answer to a token request issues. ok is false
// if it issues none: the login was wrong, or it is not OMFLOW that answers.
func (t *Table) TokenAnswer(body []byte) (value string, ok bool) {
	a, ok := readReply(body)
	if !ok || a.status != http.StatusOK {
		return "", false
	}
	var found []byte
	s := jsonscan.Scan(a.result) // valid: it is part of a whole object
	for s.Next() {
		if jsonscan.Equal(s.Key, t.profile.Tokens.Result) {
			found, _ = jsonscan.Text(s.Value)
		}
	}
	if !token.Valid(found) {
		return "", false
	}
	return string(found), true
}

// TokenRefused reports whether a body is OMFLOW's answer that it does not know the
// REST token of a call: another process issued it, or it was restarted. Nothing was
// executed then (measured on OMFLOW 1.1.0.0), so the call may be sent again to any
// server, whatever it does. HTTP's status says nothing: it is 200.
func (t *Table) TokenRefused(body []byte) bool {
	a, ok := readReply(body)
	return ok && a.refused(t.wrong)
}

// TokenExpired reports whether a body is OMFLOW's answer that the REST token of a call
// was issued there and is over, five minutes after its last use. Nothing was executed
// (read in the source of OMFLOW 1.1.0.0).
func (t *Table) TokenExpired(body []byte) bool {
	a, ok := readReply(body)
	return ok && a.refused(t.expired)
}
