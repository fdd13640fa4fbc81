package omflow

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/omflow/booster/internal/omflow/profile"
)

// Answer is an answer of the front door's own, as opposed to a server's.
type Answer struct {
	// Reason is why no server's answer can be given.
	Reason Reason
	// RetryAfter is how long the client is asked to wait before it tries again.
	// Only answers with status 503 ask for it. Default DefaultRetryAfter, at
	// most MaxRetryAfter; part seconds are rounded up.
	RetryAfter time.Duration
	// RequestID is shown on the page, so that users can name it to the operator.
	// At most 64 printable ASCII characters of it are shown.
	RequestID string
}

// Page is an answer made ready for one client.
type Page struct {
	Status          int
	ContentType     string
	ContentLanguage string
	// RetryAfter is the value of the Retry-After header in seconds, or "".
	RetryAfter string
	// Body is nil for HEAD requests, which have none (RFC 9110 §9.3.2).
	Body []byte
}

// Render makes the answer ready for the client that sent r, in the client's
// language. API paths, XMLHttpRequests and all clients that do not ask for HTML
// get OMFLOW's JSON, {"status":…,"message":…,"result":null}; browsers get a
// small page that needs nothing from elsewhere. It never is a redirect and
// never a success: OMFLOW's pages take a redirect for the end of the session,
// and go on polling after an error.
func (t *Table) Render(a Answer, r *Request) Page {
	lang := chooseLanguage(r)
	p := Page{Status: a.Reason.Status(), ContentLanguage: lang.tag()}
	wait := a.retryAfter()
	if wait > 0 {
		p.RetryAfter = strconv.Itoa(wait)
	}
	html := t.wantsHTML(r)
	if html {
		p.ContentType = "text/html; charset=utf-8"
	} else {
		p.ContentType = "application/json"
	}
	switch {
	case r.Method == http.MethodHead:
	case html:
		p.Body = a.page(t.text(a.Reason, lang), lang, wait, r.Method == http.MethodGet)
	default:
		p.Body = messageJSON(p.Status, t.text(a.Reason, lang).Message)
	}
	return p
}

// Message returns the sentences that Render says to the client that sent r.
func (t *Table) Message(a Answer, r *Request) string {
	return t.text(a.Reason, chooseLanguage(r)).Message
}

// Send writes the page to w and returns the error of writing the body, which
// means that the client is gone. Headers that w has already stay, except those
// that describe a body.
func (p Page) Send(w http.ResponseWriter) error {
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Etag", "Last-Modified", "Location", "Trailer", "Content-Length"} {
		h.Del(name)
	}
	h.Set("Content-Type", p.ContentType)
	h.Set("Content-Language", p.ContentLanguage)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if strings.HasPrefix(p.ContentType, "text/html") {
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'")
	}
	if p.RetryAfter != "" {
		h.Set("Retry-After", p.RetryAfter)
	}
	if p.Body == nil {
		w.WriteHeader(p.Status)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(p.Body)))
	w.WriteHeader(p.Status)
	_, err := w.Write(p.Body)
	return err
}

func (t *Table) text(reason Reason, lang language) profile.Text {
	if int(reason) >= reasons {
		reason = BadAnswer
	}
	return t.texts[reason][lang]
}

// messageJSON is the shape of all of OMFLOW's API answers.
func messageJSON(status int, message string) []byte {
	b, err := json.Marshal(struct {
		Status  int       `json:"status"`
		Message string    `json:"message"`
		Result  *struct{} `json:"result"`
	}{Status: status, Message: message})
	if err != nil {
		panic(err) // an int and a string can be marshalled
	}
	return b
}

// wantsHTML reports whether a person will look at the answer. Browsers name
// text/html when they load a page; scripts, XMLHttpRequest and fetch don't.
func (t *Table) wantsHTML(r *Request) bool {
	if !hasToken(r.header("Accept"), "text/html") || r.header("X-Requested-With") != "" {
		return false
	}
	var buf [pathBuffer]byte
	path, _ := decodePath(buf[:0], r.Path)
	if files := t.profile.HistoryFiles.Path; files != "" && hasPrefix(path, files) {
		return true // the one call that pages link to
	}
	return t.underREST(path) == nil && (len(t.api) == 0 || !bytes.Contains(path, t.api))
}

// hasToken reports whether a list header names a media type, without regard to
// its parameters. A q of zero is not looked for: nobody sends that.
func hasToken(list, token string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		name, _, _ := strings.Cut(entry, ";")
		if strings.EqualFold(strings.TrimSpace(name), token) {
			return true
		}
	}
	return false
}
