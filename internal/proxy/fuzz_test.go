package proxy

import (
	"bufio"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// FuzzAnswer holds what is read of an answer against what net/http reads: all
// that is accepted here net/http accepts and understands in the same way, bytes
// that are left over included. In how many pieces the bytes come makes no
// difference.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		okAnswer,
		chunkedHead + "5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + okAnswer + "HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nConnection: close, X\r\nX: y\r\n\r\nuntil the end",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nEtag: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\nPragma: no-cache\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length : 5\n\nhello",
		"HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, data string, headRequest bool) {
		if len(data) > 8<<10 {
			return // net/http bounds what chunks may cost in other ways
		}
		r := get("/")
		if headRequest {
			r.Method = http.MethodHead
		}
		x, body, err := readAnswer(t, data, len(data)+1, r)
		y, slowBody, slowErr := readAnswer(t, data, 1, r)
		if (err == nil) != (slowErr == nil) || body != slowBody || x.Status != y.Status ||
			x.Length != y.Length || x.head != y.head || !reflect.DeepEqual(x.Header, y.Header) {
			t.Fatalf("at once %+v %q %v, byte by byte %+v %q %v", x.head, body, err, y.head, slowBody, slowErr)
		}
		if err != nil {
			return
		}
		source := strings.NewReader(data)
		in := bufio.NewReaderSize(source, 64<<10)
		var want *http.Response
		for {
			want, err = http.ReadResponse(in, &http.Request{Method: r.Method})
			if err != nil {
				t.Fatalf("net/http refuses it: %v", err)
			}
			if want.StatusCode >= 200 {
				break
			}
		}
		if x.Status != want.StatusCode {
			t.Errorf("status %d, net/http reads %d", x.Status, want.StatusCode)
		}
		wantBody, err := io.ReadAll(want.Body)
		if err != nil || string(wantBody) != body {
			t.Errorf("body %q, net/http reads %q, %v", body, wantBody, err)
		}
		if x.head.keep && want.Close {
			t.Error("the connection is kept, net/http closes it")
		}
		if left, theirs := x.unread(), in.Buffered()+source.Len(); left != theirs {
			t.Errorf("%d bytes are left over, net/http leaves %d", left, theirs)
		}
		sameFields(t, data, x, want)
	})
}

// unread is how many bytes were not read.
func (x *Exchange) unread() int {
	return x.c.to - x.c.from + len(x.c.Conn.(*pieces).data)
}

func readAnswer(t *testing.T, data string, size int, r *Request) (*Exchange, string, error) {
	x := exchangeOf(t.Context(), data, size)
	if err := x.readHead(r); err != nil {
		return x, "", err
	}
	b, err := io.ReadAll(x)
	return x, string(b), err
}

var connectionField = regexp.MustCompile(`(?im)^connection:(.*)$`)

func sameFields(t *testing.T, data string, x *Exchange, want *http.Response) {
	header := want.Header.Clone()
	for _, line := range connectionField.FindAllStringSubmatch(data, -1) {
		for _, name := range strings.Split(line[1], ",") {
			// In an interim answer it says nothing of this one.
			if name = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)); x.Header[name] == nil {
				delete(header, name)
			}
		}
	}
	for _, name := range []string{"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Upgrade", "Trailer"} {
		delete(header, name)
	}
	if _, ok := x.Header["Cache-Control"]; !ok {
		delete(header, "Cache-Control") // which net/http makes of Pragma
	}
	delete(x.Header, "Trailer") // which net/http takes out
	if !reflect.DeepEqual(x.Header, header) {
		t.Errorf("fields %q, net/http reads %q", x.Header, header)
	}
	if len(want.TransferEncoding) == 0 && want.Request.Method != http.MethodHead && want.ContentLength > 0 && x.Length != want.ContentLength {
		t.Errorf("length %d, net/http reads %d", x.Length, want.ContentLength)
	}
	for name, values := range x.Trailer() {
		if !slices.Equal(want.Trailer[name], values) {
			t.Errorf("trailer %s is %q, net/http reads %q", name, values, want.Trailer[name])
		}
	}
}

// FuzzRequest sends what a client may have sent: net/http reads exactly one
// request, with our method, target and host, and no field that is not ours.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a?b=c", "omflow.example", "Accept", "*/*", "id", "")
	f.Add("POST", "/a b\r\nX: y", "a\r\nb", "X-A", "1\r\nContent-Length: 5\r\n\r\nGET / HTTP/1.1", "\n\n", "body")
	f.Add("PUT", "*", "", "content-length", "7", "", "x")
	f.Add("GET", "//a#b", "h", "Transfer-Encoding", "chunked", "a\x00b", "")
	f.Add("GET", "http://h/", "h", "transfer-encoding", "chunked", "", "0\r\n\r\n")
	f.Add("G T", "", "h", "Connection", "X-Request-Id, close", "", "")
	f.Add("get", "/%zz", "h", "X_Y", "z", "", "")
	f.Add("GET", "/", "h", "X-A: b\r\nX-B", "z", "", "")
	f.Add("GET", "/", "h", "", "z", "", "")
	f.Fuzz(func(t *testing.T, method, target, host, name, value, id, content string) {
		r := &Request{Method: method, Target: target, Host: host, Body: body(t, content),
			Header: http.Header{name: {value, value}, "Accept": {"x"}}, Set: []Field{{"X-Request-Id", id}}}
		if r.check() != nil {
			return
		}
		out := string(r.append(nil))
		line, _, _ := strings.Cut(out, "\r\n")
		parts := strings.Split(line, " ")
		if len(parts) != 3 || parts[0] != method || parts[2] != "HTTP/1.1" {
			t.Fatalf("the request line is %q", line)
		}
		if _, err := url.ParseRequestURI(parts[1]); err != nil {
			// A client's target that net/http does not accept; nothing else may be
			// wrong.
			out = strings.Replace(out, parts[1], "/", 1)
		}
		in := bufio.NewReader(strings.NewReader(out + content))
		got, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", out, err)
		}
		if got.Method != method || got.Host != textproto.TrimString(printable(host)) {
			t.Errorf("method %q, host %q", got.Method, got.Host)
		}
		if got.ContentLength != int64(len(content)) || len(got.TransferEncoding) > 0 {
			t.Errorf("length %d %v, want %d", got.ContentLength, got.TransferEncoding, len(content))
		}
		all, err := io.ReadAll(got.Body)
		if err != nil || string(all) != content {
			t.Errorf("body %q, %v, want %q", all, err, content)
		}
		if rest, _ := io.ReadAll(in); len(rest) > 0 {
			t.Errorf("after the request comes %q", rest)
		}
		ours := []string{"Accept", "X-Request-Id", "Content-Length", "Cache-Control", textproto.CanonicalMIMEHeaderKey(name)}
		for field := range maps.Keys(got.Header) {
			if !slices.Contains(ours, field) || strings.Contains(field, "_") {
				t.Errorf("it has a field %q", field)
			}
		}
		if n := len(got.Header["X-Request-Id"]); n > 1 {
			t.Errorf("it has %d X-Request-Id", n)
		}
	})
}

// printable puts a space for each control character, as a recipient may.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}
