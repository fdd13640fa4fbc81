package proxy

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
)

const (
	// maxHead bounds an answer's head, in bytes. nginx and HAProxy allow 8 to 16
	// kB by default, Go's client 10 MB; OMFLOW's heads have some hundred bytes.
	maxHead = 256 << 10
	// maxFields bounds the number of header fields of an answer.
	maxFields = 512
	// maxInterim bounds the 1xx answers before the final one.
	maxInterim = 8
)

// head is the head of an answer.
type head struct {
	status int
	// length of the body: -1 unknown, until the connection ends or by chunks.
	length  int64
	chunked bool
	// keep is true when the connection may be used again after the body.
	keep bool
}

// headScan looks for the end of a head that arrives in pieces, without looking
// at a byte twice.
type headScan struct {
	line int // where the line begins whose end was not seen yet
	seen int // how much was looked at
}

// end returns the length of the head in buf, its empty line included, or 0 when
// it has not arrived whole. buf begins with what it began with at the last call.
// A bare LF is refused at once: its sender will never send the end that is waited
// for.
func (s *headScan) end(buf []byte) (int, error) {
	for {
		i := bytes.IndexByte(buf[s.seen:], '\n')
		if i < 0 {
			s.seen = len(buf)
			return 0, nil
		}
		i += s.seen
		switch {
		case i == s.line || buf[i-1] != '\r':
			return 0, badAnswer("a line ends in a bare LF")
		case i == s.line+1:
			return i + 1, nil
		}
		s.line, s.seen = i+1, i+1
	}
}

// parseHead reads a whole head, with its empty line, and adds the fields that
// are meant for the client to header.
func parseHead(raw []byte, header http.Header) (head, error) {
	f := fields{head: head{length: -1}, header: header, values: make([]string, 0, 16)}
	// One copy that all names and values share: a response's fields are kept
	// together and dropped together.
	line, rest, ok := cutLine(string(raw))
	if !ok {
		return f.head, badAnswer("the status line does not end in CRLF")
	}
	minor, err := f.statusLine(line)
	if err != nil {
		return f.head, err
	}
	for n := 0; ; n++ {
		if line, rest, ok = cutLine(rest); !ok {
			return f.head, badAnswer("a header line does not end in CRLF")
		}
		if line == "" {
			break
		}
		if n == maxFields {
			return f.head, badAnswer("more than %d header fields", maxFields)
		}
		if err := f.add(line); err != nil {
			return f.head, err
		}
	}
	for _, name := range f.hop {
		header.Del(name)
	}
	// RFC 9112 section 9.3: close wins, and HTTP/1.0 has to ask for more.
	f.keep = !f.close && (minor == 1 || f.keepAlive)
	if f.chunked && f.length >= 0 {
		return f.head, badAnswer("both Content-Length and Transfer-Encoding")
	}
	if f.chunked && minor == 0 {
		return f.head, badAnswer("Transfer-Encoding in an HTTP/1.0 answer")
	}
	return f.head, nil
}

// cutLine splits off a line that ends in CRLF.
func cutLine(s string) (line, rest string, ok bool) {
	i := strings.IndexByte(s, '\n')
	if i < 1 || s[i-1] != '\r' {
		return "", "", false
	}
	return s[:i-1], s[i+1:], true
}

// statusLine reads "HTTP/1.x nnn[ reason]" (RFC 9112 section 4).
func (h *head) statusLine(line string) (minor int, err error) {
	const form = "HTTP/1.1 200"
	if len(line) < len(form) || line[:7] != "HTTP/1." || line[8] != ' ' ||
		(line[7] != '0' && line[7] != '1') || (len(line) > len(form) && line[len(form)] != ' ') {
		return 0, badAnswer("the first line is not a status line of HTTP/1.1")
	}
	for _, c := range []byte(line[9:12]) {
		if c < '0' || c > '9' {
			return 0, badAnswer("the status is not a number")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 || h.status > 599 {
		return 0, badAnswer("status %d", h.status)
	}
	for _, c := range []byte(line[len(form):]) { // the reason, which is not passed on
		if control(c) {
			return 0, badAnswer("the status line has the byte 0x%02x", c)
		}
	}
	return int(line[7] - '0'), nil
}

// fields collects header fields.
type fields struct {
	head
	header  http.Header
	values  []string // backing store of the header's value slices
	hop     []string // names that Connection lists
	decimal string   // Content-Length as it was written

	close, keepAlive bool // Connection's options
}

// maxHop bounds the names that Connection lists.
const maxHop = 16

func (f *fields) add(line string) error {
	colon := 0
	for colon < len(line) && line[colon] != ':' {
		if !tokenByte[line[colon]] {
			return badAnswer("a header name has the byte 0x%02x", line[colon])
		}
		colon++
	}
	if colon == 0 || colon == len(line) {
		return badAnswer("a header line has no name")
	}
	value := trim(line[colon+1:])
	for i := range len(value) {
		if control(value[i]) {
			return badAnswer("a header value has the byte 0x%02x", value[i])
		}
	}
	name := canonical(line[:colon])
	switch name {
	case "Content-Length":
		return f.contentLength(value)
	case "Transfer-Encoding":
		if f.chunked || !equalFold(value, "chunked") {
			return badAnswer("a transfer coding other than chunked")
		}
		f.chunked = true
		return nil
	case "Connection":
		return f.connection(value)
	case "Keep-Alive", "Proxy-Connection", "Te", "Upgrade":
		return nil // for this connection alone (RFC 9110 section 7.6.1)
	}
	if old, ok := f.header[name]; ok {
		f.header[name] = append(old, value)
		return nil
	}
	if len(f.values) == cap(f.values) {
		f.values = make([]string, 0, 16)
	}
	n := len(f.values)
	f.values = append(f.values, value)
	f.header[name] = f.values[n : n+1 : n+1]
	return nil
}

// contentLength accepts one value, or the same several times (RFC 9110 section
// 8.6). The same is meant literally: 1 and 01 are different, since one parser's
// decimal number may be another's octal one.
func (f *fields) contentLength(value string) error {
	n, ok := parseLength(value)
	if !ok {
		return badAnswer("a Content-Length that is not a number")
	}
	if f.decimal != "" && value != f.decimal {
		return badAnswer("two different Content-Lengths")
	}
	f.decimal, f.length = value, n
	return nil
}

func (f *fields) connection(value string) error {
	for value != "" {
		var option string
		option, value = cutComma(value)
		switch {
		case option == "":
		case equalFold(option, "close"):
			f.close = true
		case equalFold(option, "keep-alive"):
			f.keepAlive = true
		case len(f.hop) == maxHop:
			return badAnswer("more than %d connection options", maxHop)
		default:
			f.hop = append(f.hop, textproto.CanonicalMIMEHeaderKey(option))
		}
	}
	return nil
}

// parseLength reads a decimal length as RFC 9110 section 8.6 writes it: digits
// only. More than 18 digits are no length.
func parseLength(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func cutComma(s string) (first, rest string) {
	for i := range len(s) {
		if s[i] == ',' {
			return trim(s[:i]), s[i+1:]
		}
	}
	return trim(s), ""
}

func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// equalFold compares with an ASCII string in lower case.
func equalFold(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// control reports whether the byte may not stand in a field's value (RFC 9110
// section 5.5).
func control(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }

// tokenByte is RFC 9110 section 5.6.2's tchar.
var tokenByte = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// canonical returns the name as http.Header writes it. The names that servers
// usually send cost nothing.
func canonical(name string) string {
	if c, ok := commonNames[name]; ok {
		return c
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

var commonNames = func() map[string]string {
	m := make(map[string]string)
	for _, name := range []string{
		"Accept-Ranges", "Age", "Allow", "Cache-Control", "Connection", "Content-Disposition", "Content-Encoding",
		"Content-Language", "Content-Length", "Content-Location", "Content-Range", "Content-Security-Policy",
		"Content-Type", "Cross-Origin-Opener-Policy", "Date", "Etag", "Expires", "Keep-Alive", "Last-Modified",
		"Link", "Location", "Pragma", "Referrer-Policy", "Retry-After", "Server", "Set-Cookie",
		"Strict-Transport-Security", "Trailer", "Transfer-Encoding", "Upgrade", "Vary", "Via",
		"X-Content-Type-Options", "X-Frame-Options", "X-Request-Id", "X-Xss-Protection",
	} {
		m[name] = name
		lower := []byte(name)
		for i, c := range lower {
			if 'A' <= c && c <= 'Z' {
				lower[i] = c + 'a' - 'A'
			}
		}
		m[string(lower)] = name
	}
	m["ETag"] = "Etag"
	m["X-XSS-Protection"] = "X-Xss-Protection"
	return m
}()
