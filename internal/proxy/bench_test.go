package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// plainServer answers each head with 1 kB, without allocating.
func plainServer(tb testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: WSGIServer/0.2\r\n"+
		"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-Frame-Options: DENY\r\nVary: Cookie\r\nContent-Length: 1024\r\n\r\n%s",
		strings.Repeat("x", 1024))
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			conns = append(conns, nc)
			go func() {
				buf := make([]byte, 16<<10)
				for n := 0; ; {
					m, err := nc.Read(buf[n:])
					if err != nil {
						return
					}
					if n += m; bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
						if _, err := nc.Write(answer); err != nil {
							return
						}
						n = 0
					}
				}
			}()
		}
	}()
	tb.Cleanup(func() {
		ln.Close()
		<-done
		for _, nc := range conns {
			nc.Close()
		}
	})
	return ln.Addr().String()
}

var clientHeader = http.Header{
	"Accept": {"text/html,application/xhtml+xml"}, "Accept-Language": {"zh-TW,zh;q=0.9"}, "Accept-Encoding": {"gzip"},
	"Cookie": {"sessionid=abcdefghijklmnopqrstuvwxyz012345; csrftoken=x"}, "User-Agent": {"Mozilla/5.0 (X11; Linux x86_64)"},
	"Referer": {"http://omflow.example/"}, "Connection": {"keep-alive"},
}

// nobody is a client that throws everything away.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header         { return n.header }
func (n *nobody) Write(p []byte) (int, error) { return len(p), nil }
func (n *nobody) WriteHeader(int)             {}

func exchangeOnce(tb testing.TB, ctx context.Context, u *Upstream, r *Request, w *nobody) {
	x, err := u.Do(ctx, time.Now(), r)
	if err != nil {
		tb.Fatal(err)
	}
	x.WriteHead(w)
	if err := x.CopyBody(w); err != nil {
		tb.Fatal(err)
	}
	x.Finish(time.Now())
	clear(w.header)
}

func plainExchange(tb testing.TB) (u *Upstream, r *Request, w *nobody) {
	u, err := NewUpstream(Config{Address: plainServer(tb)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(u.Close)
	r = &Request{Method: "GET", Target: "/", Host: "omflow.example", Header: clientHeader, Repeatable: true,
		Set: []Field{{"X-Forwarded-For", "10.0.0.1"}, {"X-Request-Id", "0123456789abcdef"}}}
	return u, r, &nobody{http.Header{}}
}

// BenchmarkExchange is a whole exchange of 1 kB on a kept connection, the server's
// work included.
func BenchmarkExchange(b *testing.B) {
	u, r, w := plainExchange(b)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		exchangeOnce(b, ctx, u, r, w)
	}
}

func BenchmarkExchangeParallel(b *testing.B) {
	u, r, _ := plainExchange(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		w := &nobody{http.Header{}}
		for pb.Next() {
			exchangeOnce(b, ctx, u, r, w)
		}
	})
}

// BenchmarkTransport is the same through net/http's Transport, for comparison.
func BenchmarkTransport(b *testing.B) {
	target, err := url.Parse("http://" + plainServer(b) + "/")
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	w := &nobody{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		header := clientHeader.Clone() // as a proxy must, which changes it
		header.Del("Connection")
		header["X-Forwarded-For"], header["X-Request-Id"] = []string{"10.0.0.1"}, []string{"0123456789abcdef"}
		r := (&http.Request{Method: "GET", URL: target, Host: "omflow.example", Header: header}).WithContext(ctx)
		answer, err := transport.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		for name, values := range answer.Header {
			w.header[name] = values
		}
		buf := copyBuffers.Get().(*[copySize]byte)
		if _, err := io.CopyBuffer(struct{ io.Writer }{w}, answer.Body, buf[:]); err != nil {
			b.Fatal(err)
		}
		copyBuffers.Put(buf)
		answer.Body.Close()
		clear(w.header)
	}
}

func BenchmarkParseHead(b *testing.B) {
	head := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: WSGIServer/0.2\r\n" +
		"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-Frame-Options: DENY\r\nVary: Cookie\r\nContent-Length: 1024\r\n\r\n")
	header := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		clear(header)
		if _, err := parseHead(head, header); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRequestHead(b *testing.B) {
	_, r, _ := plainExchange(b)
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = r.append(out[:0])
	}
}

// An exchange may allocate its head's text, its values' slice and its length, and
// what watching the context takes.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would empty the pools
	u, r, w := plainExchange(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	exchangeOnce(t, ctx, u, r, w) // leaves a connection to look at
	for what, test := range map[string]struct {
		most float64
		f    func()
	}{
		"an exchange":                   {7, func() { exchangeOnce(t, ctx, u, r, w) }},
		"an exchange without a context": {5, func() { exchangeOnce(t, context.Background(), u, r, w) }},
		"a look at a connection":        {0, func() { _ = u.open(time.Now(), u.idle[0]) }},
	} {
		if n := testing.AllocsPerRun(200, test.f); n > test.most {
			t.Errorf("%s allocates %.1f times, at most %.0f is allowed", what, n, test.most)
		} else {
			t.Logf("%s: %.1f", what, n)
		}
	}
}
