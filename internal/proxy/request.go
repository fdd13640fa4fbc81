package proxy

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// Field is a header field.
type Field struct{ Name, Value string }

// Request is what is sent to a server. It is not changed by sending, so it can be
// sent again, one at a time.
type Request struct {
	// Method as the client sent it. It must be a token (RFC 9110 section 9.1), and
	// not CONNECT.
	Method string
	// Target is the request target in origin form, such as "/a?b=c", or "*". Bytes
	// that may not stand in it are percent-encoded on the way, a number sign too:
	// servers differ in whether the target ends there.
	Target string
	// Host is the Host field; OMFLOW wants it as the client sent it.
	Host string
	// Header is the client's. Fields that belong to its connection (RFC 9110
	// section 7.6.1), lengths, and names with an underscore are left out:
	// Python's WSGI can't tell those from names with a hyphen, so they would be a
	// way to forge fields that are set here.
	Header http.Header
	// Set are fields that replace those of Header; an empty Value removes one.
	// Names are canonical. Fields of the connection and lengths are left out here,
	// too; for the Host field there is Host.
	Set []Field
	// Body is the whole body; nil is none. It must stay open until Do has failed or
	// Exchange.Finish has returned.
	Body *Body
	// Repeatable is true for a request that may be sent twice. Only such a request
	// is ended by Upstream.Abort, and only others need a connection that was seen
	// to be alive a moment ago.
	Repeatable bool
	// Interim, if not nil, is called by Do for each 1xx answer but 100. The header
	// is valid during the call only.
	Interim func(status int, header http.Header)
	// Abandoned, if not nil, says that a server is to be counted as busy as long as
	// it is. When nobody waits for its answer any more (Do's context ended, the
	// response timeout is over, or Abort ended the waiting) while the server has the
	// whole request, Do returns at once an Error with Watched set. The connection is
	// kept then until the server begins to answer or closes it, for one response
	// timeout more at most, and Abandoned is called, from another goroutine, maybe
	// before Do returns. In all other cases it is not called.
	Abandoned func()
}

// notPassed reports the fields that are never passed on: those of the client's
// connection, Close, whose name is reserved since Connection has an option of that
// name (RFC 9110 section 7.6.1), those that are written from other parts of a Request,
// and Proxy, which a CGI-like environment would take for the variable HTTP_PROXY. The
// name is canonical.
func notPassed(name string) bool {
	switch name {
	case "Connection", "Close", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Content-Length", "Host", "Expect", "Proxy":
		return true
	}
	return false
}

// check finds what can't be sent.
func (r *Request) check() error {
	if r.Method == http.MethodConnect {
		return errConnect
	}
	for i := range len(r.Method) {
		if !tokenByte[r.Method[i]] {
			return errMethod
		}
	}
	if r.Method == "" {
		return errMethod
	}
	return nil
}

// append writes the request's head.
func (r *Request) append(out []byte) []byte {
	out = append(out, r.Method...)
	out = append(out, ' ')
	out = appendTarget(out, r.Target)
	out = append(out, " HTTP/1.1\r\nHost: "...)
	out = appendValue(out, r.Host)
	out = append(out, "\r\n"...)
	hop := hopFields(r.Header["Connection"])
	for name, values := range r.Header {
		// Most often it is canonical; whoever put it there in another way must not
		// get a second length past us.
		name = textproto.CanonicalMIMEHeaderKey(name)
		if _, listed := hop[name]; listed || notPassed(name) || r.replaces(name) {
			continue
		}
		for _, value := range values {
			out = appendField(out, name, value)
		}
	}
	for _, f := range r.Set {
		if f.Value != "" && !notPassed(f.Name) {
			out = appendField(out, f.Name, f.Value)
		}
	}
	if size := r.Body.Size(); size > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, size, 10)
		out = append(out, "\r\n"...)
	}
	return append(out, "\r\n"...)
}

func (r *Request) replaces(name string) bool {
	for i := range r.Set {
		if r.Set[i].Name == name {
			return true
		}
	}
	return false
}

// hopFields returns the fields that Connection names, canonical, but for those that are
// never passed on; most often that is nil. It is a set, since a client may name as many
// as it sends.
func hopFields(connection []string) (names map[string]struct{}) {
	for _, value := range connection {
		for value != "" {
			var option string
			option, value = cutComma(value)
			if option == "" || equalFold(option, "keep-alive") || equalFold(option, "close") {
				continue
			}
			name := textproto.CanonicalMIMEHeaderKey(option)
			if notPassed(name) {
				continue
			}
			if names == nil {
				names = make(map[string]struct{})
			}
			names[name] = struct{}{}
		}
	}
	return names
}

// appendField writes a field, or nothing if a server could misread its name.
func appendField(out []byte, name, value string) []byte {
	if name == "" {
		return out
	}
	for i := range len(name) {
		if !tokenByte[name[i]] || name[i] == '_' {
			return out
		}
	}
	out = append(out, name...)
	out = append(out, ": "...)
	out = appendValue(out, value)
	return append(out, "\r\n"...)
}

// appendValue writes a field's value; a control character, which could end the
// field early, becomes a space (RFC 9110 section 5.5).
func appendValue(out []byte, value string) []byte {
	start := len(out)
	out = append(out, value...)
	for i := start; i < len(out); i++ {
		if control(out[i]) {
			out[i] = ' '
		}
	}
	return out
}

// appendTarget writes the request target. Spaces and control characters, which
// HTTP/2 lets through in a query and which would end the target here, number
// signs and bytes beyond ASCII are percent-encoded.
func appendTarget(out []byte, target string) []byte {
	if target != "*" && !strings.HasPrefix(target, "/") {
		out = append(out, '/')
	}
	for i := range len(target) {
		c := target[i]
		if c <= ' ' || c >= 0x7f || c == '#' {
			const hex = "0123456789ABCDEF"
			out = append(out, '%', hex[c>>4], hex[c&15])
			continue
		}
		out = append(out, c)
	}
	return out
}
