package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheckValidate(t *testing.T) {
	for _, tt := range []struct {
		check Check
		want  string // part of the error; empty: accepted
	}{
		{Check{URI: "/rest/x"}, ""},
		{Check{URI: "/a?b=c%20d", Method: "POST", Body: "{}", ContentType: "application/json"}, ""},
		{Check{}, "begin with a slash"},
		{Check{URI: "rest/x"}, "begin with a slash"},
		{Check{URI: "http://elsewhere/"}, "begin with a slash"},
		{Check{URI: "/a b"}, "spaces"},
		{Check{URI: "/a\r\nHost: b"}, "control characters"},
		{Check{URI: "/a#b"}, "'#'"},
		{Check{URI: "/%zz"}, "parse URI"},
		{Check{URI: "/", Method: "GE T"}, "not an HTTP method"},
		{Check{URI: "/", Method: "GET\r\n"}, "not an HTTP method"},
		{Check{URI: "/", ContentType: "a\nb"}, "not a content type"},
		{Check{URI: "/", Body: strings.Repeat("x", MaxBody+1)}, "at most 65536"},
	} {
		err := tt.check.Validate()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%+v refused: %v", tt.check, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%.80q: error %v, want %q", fmt.Sprint(tt.check), err, tt.want)
		}
	}
}

func TestCheckDo(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "all is well") })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d %s", r.Method, r.Header.Get("Content-Type"), r.ContentLength, body)
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/broken", http.StatusFound) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		block := []byte(strings.Repeat("x", 32<<10))
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("x", MaxBody))
		io.WriteString(w, "late")
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	target := strings.TrimPrefix(srv.URL, "http://")

	var judged []byte
	for _, tt := range []struct {
		name  string
		check Check
		want  string // part of the error; empty: well
	}{
		{"well", Check{URI: "/ok"}, ""},
		{"expected text", Check{URI: "/ok", Expect: "is well"}, ""},
		{"unexpected text", Check{URI: "/ok", Expect: "is ill"}, "GET /ok: answered HTTP 200 without the text is ill"},
		{"a redirect is an answer and is not followed", Check{URI: "/moved"}, ""},
		{"error status", Check{URI: "/broken"}, "GET /broken: answered HTTP 500"},
		{"not found", Check{URI: "/nowhere"}, "answered HTTP 404"},
		{"GET with a body has a length", Check{URI: "/echo", Body: `{"a":1}`, ContentType: "application/json",
			Expect: `GET application/json 7 {"a":1}`}, ""},
		{"method", Check{URI: "/echo", Method: "POST", Expect: "POST  0 "}, ""},
		{"judge says well", Check{URI: "/broken", Judge: func(int, []byte) error { return nil }}, ""},
		{"judge says ill", Check{URI: "/ok", Judge: func(int, []byte) error { return errors.New("database\x00 gone\nfor good") }},
			"GET /ok: database gone for good"},
		{"judge sees a bounded body", Check{URI: "/endless", Judge: func(_ int, body []byte) error {
			judged = body
			return nil
		}}, ""},
		{"expected text beyond the bound", Check{URI: "/late", Expect: "late"}, "without the text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := tt.check.Do(ctx, transport(), target)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("not well: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if len(judged) != MaxBody {
		t.Errorf("the judge saw %d bytes of an endless body, want %d", len(judged), MaxBody)
	}
}

// TestCheckDoTransportErrors holds servers that are no good HTTP servers
// against the words an operator reads.
func TestCheckDoTransportErrors(t *testing.T) {
	serve := func(answer func(net.Conn)) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				answer(conn)
				conn.Close()
			}
		}()
		t.Cleanup(func() { ln.Close(); <-done })
		return ln.Addr().String()
	}
	readRequest := func(c net.Conn) { c.Read(make([]byte, 4096)) }
	nobody := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		return ln.Addr().String()
	}

	for _, tt := range []struct {
		name, target, want string
		timeout            time.Duration
	}{
		{"refused", nobody(), "GET /: connection refused", time.Minute},
		{"closed", serve(readRequest), "closed without a whole answer", time.Minute},
		{"cut short", serve(func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
		}), "closed without a whole answer", time.Minute},
		{"silent", serve(func(c net.Conn) { io.Copy(io.Discard, c) }), "no answer in time", 50 * time.Millisecond},
		{"garbage", serve(func(c net.Conn) {
			readRequest(c)
			c.Write([]byte(strings.Repeat("\x1b[31m\xff\x00", 500) + "\r\n\r\n"))
		}), "malformed HTTP", time.Minute},
		{"huge header", serve(func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
		}), "GET /: ", time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
			defer cancel()
			err := Check{URI: "/"}.Do(ctx, transport(), tt.target)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if len(err.Error()) > MaxReason {
				t.Errorf("the reason has %d bytes", len(err.Error()))
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain", 60)
	f.Add("a\r\nb\x1b[0m\xff漢字", 10)
	f.Add(strings.Repeat("漢", 100), 100)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 8 + limit&0xff
		got := clean(s, limit)
		if len(got) > limit {
			t.Errorf("clean(%q, %d) has %d bytes", s, limit, len(got))
		}
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("clean(%q) = %q is not printable", s, got)
		}
	})
}
