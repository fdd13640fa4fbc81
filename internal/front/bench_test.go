package front

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
)

// serveTrivial is a server that answers each request with 1 kB.
func serveTrivial(tb testing.TB) (address string) {
	tb.Helper()
	return serveAnswer(tb, "text/html", strings.Repeat("x", 1024))
}

// serveAnswer is a server that answers each request with the same and allocates
// nothing. It understands Content-Length as the front door writes it, no more.
func serveAnswer(tb testing.TB, contentType, body string) (address string) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	response := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nServer: WSGIServer/0.2\r\n"+
		"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-Frame-Options: DENY\r\nVary: Cookie\r\nContent-Length: %d\r\n\r\n%s",
		contentType, len(body), body)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { c.Close() })
			go func() {
				defer stop()
				trivial(c, response)
			}()
		}
	}()
	tb.Cleanup(func() { ln.Close(); <-done; cancel() })
	return ln.Addr().String()
}

func trivial(c net.Conn, response []byte) {
	defer c.Close()
	buf := make([]byte, 64<<10)
	for n := 0; ; {
		m, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		n += m
		end := bytes.Index(buf[:n], []byte("\r\n\r\n"))
		if end < 0 {
			continue
		}
		need := end + 4
		field := []byte("\r\nContent-Length: ")
		if at := bytes.Index(buf[:end+2], field); at >= 0 {
			digits := buf[at+len(field) : end+2]
			length, err := strconv.Atoi(string(digits[:bytes.IndexByte(digits, '\r')]))
			if err != nil {
				return
			}
			need += length
		}
		if n < need {
			continue
		}
		if _, err := c.Write(response); err != nil {
			return
		}
		n = 0
	}
}

func benchRequest() *http.Request {
	r := httptest.NewRequest("GET", "http://omflow.example"+pageURL, nil)
	for name, value := range map[string]string{
		"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Accept": "text/html,application/xhtml+xml",
		"Accept-Language": "zh-TW,zh;q=0.9", "Accept-Encoding": "gzip, deflate, br",
		"Cookie": "csrftoken=abcdefghijklmnopqrstuvwxyz; sessionid=0123456789abcdef0123456789abcdef",
	} {
		r.Header.Set(name, value)
	}
	return r
}

// BenchmarkServe is a kept session's request with an answer of 1 kB, from
// net/http's handler on.
func BenchmarkServe(b *testing.B) {
	s := open(b, []string{serveTrivial(b)}, nil)
	r := benchRequest()
	now := time.Now()
	r.Header.Set("Cookie", r.Header.Get("Cookie")+"; omflow_server="+
		s.front.cfg.Keys.Seal(balance.Sticky{Server: balance.IDOf("s1"), Session: 1, Issued: now, Seen: now}))
	ctx, cancel := context.WithCancel(context.Background()) // as net/http's has an end
	defer cancel()
	bench(b, r.WithContext(ctx), func(w http.ResponseWriter, r *http.Request) {
		var trace Trace
		s.front.Serve(w, r, Client{}, &trace)
	})
}

// BenchmarkReverseProxy is the same through the standard library's, to compare.
func BenchmarkReverseProxy(b *testing.B) {
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	defer transport.CloseIdleConnections()
	rp := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: serveTrivial(b)})
	rp.Transport, rp.ErrorLog = transport, log.New(io.Discard, "", 0)
	bench(b, benchRequest(), rp.ServeHTTP)
}

func bench(b *testing.B, r *http.Request, serve http.HandlerFunc) {
	w := &nothing{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		w.n = 0
		serve(w, r)
		if w.status != 200 || w.n != 1024 {
			b.Fatalf("answered %d with %d bytes", w.status, w.n)
		}
	}
}
