package front

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/omflow"
)

// unambiguous fails the test unless the bytes are exactly one request that no two
// servers read differently: lines end in CRLF and have no control characters, names
// are tokens without an underscore and come with their colon at once, and the body is
// as long as the one Content-Length says.
func unambiguous(t *testing.T, raw string) {
	t.Helper()
	head, body, ok := strings.Cut(raw, "\r\n\r\n")
	if !ok {
		t.Fatalf("no end of the head: %q", raw)
	}
	lines := strings.Split(head, "\r\n")
	if parts := strings.Split(lines[0], " "); len(parts) != 3 || !strings.HasPrefix(parts[1], "/") && parts[1] != "*" || parts[2] != "HTTP/1.1" {
		t.Errorf("request line %q", lines[0])
	}
	lengths, hosts, length := 0, 0, 0
	for i, line := range lines {
		for _, c := range []byte(line) {
			if c < ' ' && c != '\t' || c == 0x7f || i == 0 && c > 0x7f {
				t.Errorf("line %q has the byte 0x%02x", line, c)
			}
		}
		if i == 0 {
			continue
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok || name == "" || strings.ContainsAny(name, " \t_:\"(),/;<=>?@[\\]{}") {
			t.Errorf("header line %q", line)
		}
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Transfer-Encoding", "Upgrade", "Connection", "Expect", "Te", "Trailer":
			t.Errorf("header line %q", line)
		case "Host":
			hosts++
		case "Content-Length":
			lengths++
			n, err := strconv.Atoi(value)
			if err != nil || strconv.Itoa(n) != value {
				t.Errorf("header line %q", line)
			}
			length = n
		}
	}
	if hosts != 1 || lengths > 1 || len(body) != length {
		t.Errorf("%d Host, %d Content-Length, %d bytes of body: %q", hosts, lengths, len(body), raw)
	}
}

// What two parsers could read differently is refused, or one of the readings is
// all that the server ever sees.
func TestSmuggling(t *testing.T) {
	const next = "GET /smuggled/ HTTP/1.1\r\nHost: x\r\n\r\n"
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, nil)
	post := "POST " + readURL + " HTTP/1.1\r\nHost: x\r\n"
	for name, tt := range map[string]struct {
		text     string
		requests int // that reach the server
		body     string
		refused  bool
		short    bool // it waits for more, which never comes
	}{
		"length and chunks":              {text: post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", requests: 1},
		"chunks and length":              {text: post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n", requests: 1, body: "SMUGGLED"},
		"two lengths":                    {text: post + "Content-Length: 0\r\nContent-Length: 38\r\n\r\n" + next, refused: true},
		"two lengths in one":             {text: post + "Content-Length: 0, 38\r\n\r\n" + next, refused: true},
		"the same length twice":          {text: post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", requests: 1, body: "abc"},
		"a length with a sign":           {text: post + "Content-Length: +3\r\n\r\nabc", refused: true},
		"a negative length":              {text: post + "Content-Length: -3\r\n\r\nabc", refused: true},
		"a hexadecimal length":           {text: post + "Content-Length: 0x3\r\n\r\nabc", refused: true},
		"an endless length":              {text: post + "Content-Length: 99999999999999999999\r\n\r\nabc", refused: true},
		"a length with zeros":            {text: post + "Content-Length: 003\r\n\r\nabc", requests: 1, body: "abc"},
		"an empty length":                {text: post + "Content-Length:\r\n\r\nabc", refused: true},
		"a length of words":              {text: post + "Content-Length: three\r\n\r\nabc", refused: true},
		"a length with an underscore":    {text: post + "Content_Length: 38\r\nContent-Length: 3\r\n\r\nabc", requests: 1, body: "abc"},
		"another coding":                 {text: post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", refused: true},
		"chunked twice":                  {text: post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", refused: true},
		"chunked, identity":              {text: post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", refused: true},
		"chunked with a vertical tab":    {text: post + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", refused: true},
		"chunked in quotes":              {text: post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", refused: true},
		"chunked with an underscore":     {text: post + "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", requests: 1, body: "0\r\n\r\n"},
		"a space before the colon":       {text: post + "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", refused: true},
		"a space before a length's":      {text: post + "Content-Length : 38\r\n\r\n" + next, refused: true},
		"a tab before the colon":         {text: post + "X\t: y\r\n\r\n", refused: true},
		"a folded line":                  {text: post + "X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", requests: 1},
		"a folded coding":                {text: post + "Transfer-Encoding:\r\n chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", requests: 1, body: "abc"},
		"a line that begins with a fold": {text: "POST / HTTP/1.1\r\n Host: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n", refused: true},
		"bare line feeds":                {text: "POST " + readURL + " HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc", requests: 1, body: "abc"},
		"a bare line feed in a value":    {text: post + "X-A: b\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", requests: 1, body: "abc"},
		"a bare carriage return":         {text: post + "X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", refused: true},
		"a NUL in a value":               {text: post + "X-A: b\x00c\r\nContent-Length: 0\r\n\r\n", refused: true},
		"a NUL in a name":                {text: post + "X\x00A: b\r\nContent-Length: 0\r\n\r\n", refused: true},
		"a NUL in the target":            {text: "GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n", refused: true},
		"a line without a colon":         {text: post + "nonsense\r\nContent-Length: 0\r\n\r\n", refused: true},
		"no name":                        {text: post + ": x\r\nContent-Length: 0\r\n\r\n", refused: true},
		"a chunk's extension":            {text: post + "Transfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0;x\r\n\r\n", requests: 1, body: "abc"},
		"an extension with a line feed":  {text: post + "Transfer-Encoding: chunked\r\n\r\n3;\nabc\r\n0\r\n\r\n", refused: true},
		"a huge chunk":                   {text: post + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF1\r\nabc\r\n0\r\n\r\n", refused: true},
		"a chunk near overflow":          {text: post + "Transfer-Encoding: chunked\r\n\r\n8000000000000003\r\nabc\r\n0\r\n\r\n", short: true},
		"a chunk with a sign":            {text: post + "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", refused: true},
		"a chunk with a prefix":          {text: post + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", refused: true},
		"a chunk longer than it says":    {text: post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", refused: true},
		"a trailer with a length":        {text: post + "Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 38\r\n\r\n", refused: true},
		"a trailer":                      {text: post + "Transfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n3\r\nabc\r\n0\r\nX-A: b\r\n\r\n", requests: 1, body: "abc"},
		"HTTP/1.0 with chunks":           {text: "POST " + readURL + " HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", requests: 1},
		"GET with a body":                {text: fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(next), next), requests: 1, body: next},
		"an absolute target":             {text: "GET http://elsewhere.example/rest/x HTTP/1.1\r\nHost: x\r\n\r\n", requests: 1},
		"an absolute target, no path":    {text: "GET http://elsewhere.example HTTP/1.1\r\nHost: x\r\n\r\n", requests: 1},
		"an opaque target":               {text: "GET http:rest/x HTTP/1.1\r\nHost: x\r\n\r\n", refused: true},
		"a target with a space":          {text: "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", refused: true},
		"a target with bytes":            {text: "GET /\xff\xe4 HTTP/1.1\r\nHost: x\r\n\r\n", requests: 1},
		"a target with a number sign":    {text: "GET /a#b?c HTTP/1.1\r\nHost: x\r\n\r\n", requests: 1},
		"two slashes":                    {text: "GET //elsewhere.example/x HTTP/1.1\r\nHost: x\r\n\r\n", requests: 1},
		"two hosts":                      {text: "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", refused: true},
		"a bad host":                     {text: "GET / HTTP/1.1\r\nHost: x y\r\n\r\n", refused: true},
		"no host":                        {text: "GET / HTTP/1.1\r\n\r\n", refused: true},
		"connection lists a length":      {text: post + "Connection: Content-Length, X-Forwarded-For, X-Request-Id\r\nContent-Length: 3\r\n\r\nabc", requests: 1, body: "abc"},
		"a strange method":               {text: "G\"T / HTTP/1.1\r\nHost: x\r\n\r\n", refused: true},
		"another version":                {text: "GET / HTTP/1.2\r\nHost: x\r\n\r\n", requests: 1},
		"HTTP/2's preface":               {text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused: true},
		"two requests at once":           {text: "GET /1/ HTTP/1.1\r\nHost: x\r\n\r\n" + next, requests: 2},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(up.requests())
			c := s.dial()
			io.WriteString(c, tt.text)
			if tt.short {
				c.(interface{ CloseWrite() error }).CloseWrite()
				if got, all := readAll(c), up.requests()[before:]; !strings.HasPrefix(got, "HTTP/1.1 4") || len(all) > 0 {
					t.Errorf("the client got %.200q, the server %q", got, all)
				}
				return
			}
			if tt.refused {
				// All that there is to say is said at once, with the connection's end.
				got := readAll(c)
				if !strings.HasPrefix(got, "HTTP/1.1 400 ") && !strings.HasPrefix(got, "HTTP/1.1 501 ") && !strings.HasPrefix(got, "HTTP/1.1 505 ") {
					t.Errorf("the client got %.200q", got)
				}
				if strings.Count(got, "HTTP/1.1 ") > 1 {
					t.Errorf("the client got more than one answer: %q", got)
				}
				if all := up.requests()[before:]; len(all) != 0 {
					t.Errorf("the server got %q", all)
				}
				return
			}
			r := bufio.NewReader(c)
			for range tt.requests {
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				answer{resp, readAll(resp.Body)}.want(t, 200, "ok")
			}
			c.(interface{ CloseWrite() error }).CloseWrite()
			readAll(r)
			all := up.requests()[before:]
			if len(all) != tt.requests {
				t.Fatalf("the server got %d requests: %q", len(all), all)
			}
			for i, raw := range all {
				unambiguous(t, raw)
				if _, body, _ := strings.Cut(raw, "\r\n\r\n"); i == 0 && body != tt.body {
					t.Errorf("the server got the body %q, want %q", body, tt.body)
				}
			}
		})
	}
}

// HTTP/2 carries what HTTP/1.1 cannot: spaces and line ends in the target.
func TestHTTP2Smuggling(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, func(set *setup) { http2(set); set.front.Table = omflow.DefaultTable() })
	for _, target := range []string{
		"/a?b c", "/a?b HTTP/1.1\r\nX-Injected: 1\r\n\r\nGET /smuggled/ HTTP/1.1\r\nHost: x\r\n\r\n", "/a?b\x00c", "/a?b#c", "/a?\xff", "//x/y", "*",
	} {
		before := len(up.requests())
		status := s.rawHTTP2(t, target)
		all := up.requests()[before:]
		if status == 200 && len(all) != 1 || status != 200 && len(all) != 0 {
			t.Errorf("%q: answered %d, the server got %q", target, status, all)
		}
		for _, raw := range all {
			unambiguous(t, raw)
			if strings.Contains(raw, "\r\nX-Injected") || strings.Contains(raw, "\nGET ") {
				t.Errorf("%q: the server got %q", target, raw)
			}
		}
	}
}

// Odd header fields of an http.Header, as another handler may have made them, are
// no way around the rules either.
func TestFieldsOfAnotherHandler(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, func(set *setup) {
		set.serve = func(s *site, w http.ResponseWriter, r *http.Request) {
			r.Header["content-length"] = []string{"77"}
			r.Header["TRANSFER-ENCODING"] = []string{"chunked"}
			r.Header["X-Split"] = []string{"a\r\nX-Injected: 1", "b"}
			r.Header["X Name"] = []string{"1"}
			var trace Trace
			s.front.Serve(w, r, Client{}, &trace)
		}
	})
	s.post(readURL, "abc").want(t, 200, "ok")
	raw := up.only(t)
	unambiguous(t, raw)
	if strings.Contains(raw, "\nX-Injected") {
		t.Errorf("the server got %q", raw)
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil || fmt.Sprint(r.Header["X-Split"]) != "[a  X-Injected: 1 b]" {
		t.Errorf("%v %v", r, err)
	}
}

// Of two types that a body is said to have, servers take the first (Django's own) or the
// last (gunicorn). The one that the request was judged by is all that they see.
func TestOneContentType(t *testing.T) {
	up := serve(t, answers(ok("ok")))
	s := open(t, []string{up.addr}, nil)
	s.post(createURL, createBody, "Content-Type", "application/json", "Content-Type", "multipart/form-data; boundary=x").want(t, 200, "ok")
	if raw := up.only(t); strings.Count(raw, "Content-Type:") != 1 || !strings.Contains(raw, "\r\nContent-Type: application/json\r\n") {
		t.Errorf("the server got %q", raw)
	}
}
