package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRequestHead(t *testing.T) {
	tests := []struct {
		name string
		r    Request
		want string // after the host, its fields sorted
	}{
		{"plain", Request{Method: "GET", Target: "/a?b=c", Host: "h"}, "GET /a?b=c HTTP/1.1|Host: h"},
		{"no target", Request{Method: "GET", Host: "h"}, "GET / HTTP/1.1|Host: h"},
		{"any resource", Request{Method: "OPTIONS", Target: "*", Host: "h"}, "OPTIONS * HTTP/1.1|Host: h"},
		{"a target of another form", Request{Method: "GET", Target: "http://h/a", Host: "h"}, "GET /http://h/a HTTP/1.1|Host: h"},
		{"a target with a line end", Request{Method: "GET", Target: "/a?b c\r\nX: y#z\x7f\xff", Host: "h"},
			"GET /a?b%20c%0D%0AX:%20y%23z%7F%FF HTTP/1.1|Host: h"},
		{"a target that is encoded", Request{Method: "GET", Target: "/%E5%A5%BD%20+", Host: "h"}, "GET /%E5%A5%BD%20+ HTTP/1.1|Host: h"},
		{"no host", Request{Method: "GET", Target: "/"}, "GET / HTTP/1.1|Host: "},
		{"a host with a line end", Request{Method: "GET", Target: "/", Host: "h\r\nX: y"}, "GET / HTTP/1.1|Host: h  X: y"},
		{"a POST without a body", Request{Method: "POST", Target: "/", Host: "h"}, "POST / HTTP/1.1|Content-Length: 0|Host: h"},
		{"a PUT without a body", Request{Method: "PUT", Target: "/", Host: "h"}, "PUT / HTTP/1.1|Content-Length: 0|Host: h"},
		{"a DELETE without a body", Request{Method: "DELETE", Target: "/", Host: "h"}, "DELETE / HTTP/1.1|Host: h"},
		{"a GET with a body", Request{Method: "GET", Target: "/", Host: "h", Body: body(t, "{}")}, "GET / HTTP/1.1|Content-Length: 2|Host: h"},
		{"several values", Request{Method: "GET", Target: "/", Host: "h", Header: http.Header{"Accept": {"a", "b"}}},
			"GET / HTTP/1.1|Accept: a|Accept: b|Host: h"},
		{"fields of the connection", Request{Method: "GET", Target: "/", Host: "h", Header: http.Header{
			"Connection": {"close, x-one", "X-Two"}, "X-One": {"1"}, "X-Two": {"2"}, "X-Three": {"3"}, "Keep-Alive": {"1"},
			"Te": {"trailers"}, "Trailer": {"X"}, "Upgrade": {"h2c"}, "Proxy-Connection": {"x"}, "Proxy-Authorization": {"x"},
			"Expect": {"100-continue"}, "Proxy": {"evil"}, "Host": {"other"}, "Close": {"1"}}}, "GET / HTTP/1.1|Host: h|X-Three: 3"},
		{"lengths of the client", Request{Method: "POST", Target: "/", Host: "h", Body: body(t, "four"), Header: http.Header{
			"Content-Length": {"9"}, "content-length": {"9"}, "Transfer-Encoding": {"chunked"}, "transfer-encoding": {"chunked"}}},
			"POST / HTTP/1.1|Content-Length: 4|Host: h"},
		{"names that forge others", Request{Method: "GET", Target: "/", Host: "h", Header: http.Header{
			"X_Forwarded_For": {"1"}, "X-A: 1\r\nX-B": {"2"}, "X C": {"3"}, "": {"4"}, "X-D": {"5"}}}, "GET / HTTP/1.1|Host: h|X-D: 5"},
		{"values with line ends", Request{Method: "GET", Target: "/", Host: "h", Header: http.Header{"X-A": {"1\r\nX-B: 2\x00"}}},
			"GET / HTTP/1.1|Host: h|X-A: 1  X-B: 2 "},
		{"set fields", Request{Method: "GET", Target: "/", Host: "h", Header: http.Header{
			"X-Forwarded-For": {"forged", "twice"}, "Cookie": {"a=b"}, "x-request-id": {"forged"}},
			Set: []Field{{"X-Forwarded-For", "10.0.0.1"}, {"Cookie", ""}, {"X-Request-Id", "7"}}},
			"GET / HTTP/1.1|Host: h|X-Forwarded-For: 10.0.0.1|X-Request-Id: 7"},
		{"a set field that the client calls one of its connection", Request{Method: "GET", Target: "/", Host: "h",
			Header: http.Header{"Connection": {"X-Real-Ip"}, "X-Real-Ip": {"forged"}}, Set: []Field{{"X-Real-Ip", "10.0.0.1"}}},
			"GET / HTTP/1.1|Host: h|X-Real-Ip: 10.0.0.1"},
		{"set fields that would change the framing", Request{Method: "GET", Target: "/", Host: "h",
			Set: []Field{{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}, {"Connection", "close"}, {"X-A", "b\r\n\r\n"}}},
			"GET / HTTP/1.1|Host: h|X-A: b    "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.r.check(); err != nil {
				t.Fatal(err)
			}
			out, ok := strings.CutSuffix(string(test.r.append(nil)), "\r\n\r\n")
			lines := strings.Split(out, "\r\n")
			slices.Sort(lines[1:])
			if got := strings.Join(lines, "|"); got != test.want || !ok {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A client may name as many fields in Connection as it sends others. It takes a thousandth
// of the time allowed here, and ten times as long if each is compared with each.
func TestManyConnectionOptions(t *testing.T) {
	const n = 60_000
	header := make(http.Header)
	var options strings.Builder
	for i := range n {
		header[fmt.Sprint("X-", i)] = []string{"1"}
		fmt.Fprint(&options, "y-", i, ",")
	}
	options.WriteString("x-7")
	header["Connection"] = []string{options.String()}
	r := Request{Method: "GET", Target: "/", Host: "h", Header: header}
	begun := time.Now()
	out := string(r.append(nil))
	if d := time.Since(begun); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
	if strings.Contains(out, "\r\nX-7: ") || strings.Count(out, "\r\nX-") != n-1 {
		t.Errorf("%d fields are sent, want all but X-7", strings.Count(out, "\r\nX-"))
	}
}

func TestMethodsThatAreNotSent(t *testing.T) {
	s := serve(t, Config{}, answers(okAnswer))
	for method, why := range map[string]error{
		"": errMethod, "GET /": errMethod, "GET\r\n": errMethod, "G\x00": errMethod, "CONNECT": errConnect,
	} {
		_, err := s.Do(t.Context(), time.Now(), &Request{Method: method, Target: "/"})
		if e := failure(t, err); !errors.Is(e, why) || e.Sent || e.Watched {
			t.Errorf("%q: %+v", method, e)
		}
	}
	if n := s.conns.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}
