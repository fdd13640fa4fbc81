package omflow

import "strings"

// MaxBodyLook is how many bytes of a body Classify needs at most, in bytes. A
// body that is longer than what was seen of it is classified with care: an
// edit is then a create.
const MaxBodyLook = 64 << 10

// Request is the small view of a request that classification and answers work
// on. It holds no type of net/http, so that any HTTP stack can fill it without
// allocating.
type Request struct {
	// Method as the client sent it; methods are case-sensitive (RFC 9110 §9.1).
	Method string
	// Path is the path as the client sent it, still percent-encoded, without
	// the query. With net/http that is URL.EscapedPath().
	Path string
	// ContentType is the request's Content-Type, or empty.
	ContentType string
	// Body is the beginning of the body, or nil when nobody has looked at it
	// yet. More than MaxBodyLook bytes of it are not looked at.
	Body []byte
	// BodyComplete is true when Body is the whole body; a request without a
	// body sets it with a nil Body.
	BodyComplete bool
	// Header gives the first value of a header by its canonical name, or "".
	// http.Header is one. It may be nil. Only answers use it.
	Header Header
}

// Header gives access to a request's header fields. http.Header implements it.
type Header interface {
	// Get returns the first value of the field of that name, or "".
	Get(name string) string
}

// Result is what Classify knows of a request.
type Result struct {
	Lane  Lane
	Class Class
	// Work is true for a request that may put an item into OMFLOW's flow queue, now
	// or, for one that changes schedules, later: as long as such requests pass, the
	// queue's journal may grow. An edit of a ticket counts unless its whole body was
	// seen and deletes; so does what is not known under /flowmanage/ and no read.
	Work bool
	// NeedsBody is true when a look at the body could allow more than Class
	// says, or change the lane, or Table.Refuses needs it, and nobody has looked
	// yet. The caller then sets Body and BodyComplete and asks again. Lane and
	// Class are safe to use as they are: without the look they are the careful
	// ones.
	NeedsBody bool
}

func (r *Request) header(name string) string {
	if r.Header == nil {
		return ""
	}
	return r.Header.Get(name)
}

// body returns the part of the body that is looked at and whether that is all
// of it.
func (r *Request) body() (seen []byte, complete bool) {
	if len(r.Body) > MaxBodyLook {
		return r.Body[:MaxBodyLook], false
	}
	return r.Body, r.BodyComplete
}

// multipart reports whether the body is a multipart one, the only kind that
// carries files.
func (r *Request) multipart() bool {
	const prefix = "multipart/"
	ct := r.ContentType
	for len(ct) > 0 && (ct[0] == ' ' || ct[0] == '\t') {
		ct = ct[1:]
	}
	return len(ct) >= len(prefix) && strings.EqualFold(ct[:len(prefix)], prefix)
}
