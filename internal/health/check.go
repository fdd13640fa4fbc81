package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

const (
	// MaxBody is how much of an answer's body is read and judged, in bytes.
	// What follows is ignored.
	MaxBody = 64 << 10
	// MaxReason bounds the text of a failed check, in bytes.
	MaxReason = 240

	maxHeader = 64 << 10 // bytes of an answer's header
)

// Check is one question to a server: a request and how its answer is judged.
// It is a value without state; any number of goroutines may use one.
type Check struct {
	// URI is the request's path and query, such as "/rest/x". Required.
	URI string
	// Method is the request's method. Default GET.
	Method string
	// Body is sent with the request, at most MaxBody bytes. Default none.
	Body string
	// ContentType is the Content-Type of Body. Default none.
	ContentType string
	// Expect is a text that the answer's body must contain within its first
	// MaxBody bytes. Default: anything will do.
	Expect string
	// Judge decides on the answer by its HTTP status and the first MaxBody bytes
	// of its body; nil means well. It must not keep body. Default: a status of
	// 200 to 399 is well. Expect is looked at after Judge.
	Judge func(status int, body []byte) error
}

// Validate refuses a check that no server could be asked.
func (c Check) Validate() error {
	if !strings.HasPrefix(c.URI, "/") {
		return fmt.Errorf("check %q: the URI must begin with a slash", c.URI)
	}
	if strings.ContainsFunc(c.URI, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }) {
		return fmt.Errorf("check %q: the URI must not hold spaces, control characters or '#'", c.URI)
	}
	if _, err := url.ParseRequestURI(c.URI); err != nil {
		return fmt.Errorf("check %q: parse URI: %w", c.URI, err)
	}
	// RFC 9110 section 9.1: a method is a token.
	if c.Method != "" && !httpguts.ValidHeaderFieldName(c.Method) {
		return fmt.Errorf("check %q: %q is not an HTTP method", c.URI, c.Method)
	}
	if !httpguts.ValidHeaderFieldValue(c.ContentType) {
		return fmt.Errorf("check %q: %q is not a content type", c.URI, c.ContentType)
	}
	if len(c.Body) > MaxBody {
		return fmt.Errorf("check %q: the body has %d bytes, at most %d are sent", c.URI, len(c.Body), MaxBody)
	}
	return nil
}

// Do asks the server at target, a host and port, once, and returns nil when it
// is well. The error names the request and what was wrong with the answer, in
// at most MaxReason printable bytes. ctx bounds the whole exchange.
func (c Check) Do(ctx context.Context, rt http.RoundTripper, target string) error {
	if err := c.do(ctx, rt, target); err != nil {
		return fmt.Errorf("%s %s: %w", c.method(), clean(c.URI, MaxReason/3), err)
	}
	return nil
}

func (c Check) method() string {
	if c.Method == "" {
		return http.MethodGet
	}
	return c.Method
}

func (c Check) do(ctx context.Context, rt http.RoundTripper, target string) error {
	var body io.Reader
	if c.Body != "" {
		body = strings.NewReader(c.Body) // net/http takes its length from this type
	}
	req, err := http.NewRequestWithContext(ctx, c.method(), "http://"+target+c.URI, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("User-Agent", "omflow-booster-health")
	if c.ContentType != "" {
		req.Header.Set("Content-Type", c.ContentType)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return explain(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody))
	if err != nil {
		return explain(err)
	}
	return c.judge(resp.StatusCode, answer)
}

func (c Check) judge(status int, body []byte) error {
	if c.Judge != nil {
		if err := c.Judge(status, body); err != nil {
			return reason{text: clean(err.Error(), MaxReason/2), err: err}
		}
	} else if status < 200 || status > 399 {
		return fmt.Errorf("answered HTTP %d", status)
	}
	if c.Expect != "" && !strings.Contains(string(body), c.Expect) {
		return fmt.Errorf("answered HTTP %d without the text %s", status, clean(c.Expect, 60))
	}
	return nil
}

// reason is an error whose text was made fit to show.
type reason struct {
	text string
	err  error
}

func (r reason) Error() string { return r.text }
func (r reason) Unwrap() error { return r.err }

// explain puts the usual transport errors in an operator's words.
func explain(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return reason{text: "no answer in time", err: err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return reason{text: "connection refused", err: err}
	case errors.Is(err, syscall.ECONNRESET):
		return reason{text: "connection reset", err: err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reason{text: "the connection was closed without a whole answer", err: err}
	default:
		return reason{text: clean(err.Error(), MaxReason/2), err: err}
	}
}

// clean makes a stranger's text fit for logs and tables: one line, printable,
// at most limit bytes.
func clean(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == utf8.RuneError:
			r = '?'
		case unicode.IsSpace(r):
			r = ' '
		case !unicode.IsPrint(r):
			continue
		}
		if b.Len()+utf8.RuneLen(r) > limit-len("…") {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
