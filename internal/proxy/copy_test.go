package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// front is a net/http server whose handler passes on what s answers.
func front(t *testing.T, s *server) (client *http.Client, url string) {
	t.Helper()
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Cookie")
		w.Header().Set("Server", "front")
		x, err := s.Do(r.Context(), time.Now(), &Request{Method: r.Method, Target: r.URL.RequestURI(), Host: r.Host, Header: r.Header})
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { x.Finish(time.Now()) }()
		x.WriteHead(w)
		if err := x.CopyBody(w); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(hs.Close)
	return hs.Client(), hs.URL
}

func TestAnswersReachTheClient(t *testing.T) {
	large := string(pattern(3 << 20))
	tests := []struct {
		name, method, answer string
		closes               bool
		length               int64
		body                 string
		header, trailer      http.Header
	}{
		{name: "small", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: 1\r\nX: 2\r\nServer: back\r\nVary: Accept\r\n\r\nok", length: 2, body: "ok",
			header: http.Header{"X": {"1", "2"}, "Server": {"back"}, "Vary": {"Cookie", "Accept"}}},
		{name: "empty", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", header: http.Header{}},
		{name: "large", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\n\r\n" + large, length: 3 << 20, body: large},
		{name: "until the end", answer: "HTTP/1.1 200 OK\r\n\r\n" + large, closes: true, length: -1, body: large},
		{name: "trailers", answer: chunkedHead + "2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n", length: -1, body: "ok",
			trailer: http.Header{"X-Sum": {"1", "2"}}},
		{name: "HEAD", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", length: 7},
		{name: "204", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"},
		{name: "304", answer: "HTTP/1.1 304 Not Modified\r\nEtag: x\r\n\r\n", header: http.Header{"Etag": {"x"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, Config{}, func(p *peer) {
				p.head()
				p.send(test.answer)
				if !test.closes {
					p.wait()
				}
			})
			client, url := front(t, s)
			if test.method == "" {
				test.method = "GET"
			}
			r, err := http.NewRequest(test.method, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			b, err := io.ReadAll(answer.Body)
			if err != nil || string(b) != test.body || answer.ContentLength != test.length {
				t.Errorf("%d bytes, %v, length %d", len(b), err, answer.ContentLength)
			}
			for name, values := range test.header {
				if !reflect.DeepEqual(answer.Header[name], values) {
					t.Errorf("%s: %q, want %q", name, answer.Header[name], values)
				}
			}
			if len(test.trailer) > 0 && !reflect.DeepEqual(answer.Trailer, test.trailer) {
				t.Errorf("trailers %v", answer.Trailer)
			}
			if answer.StatusCode == 204 && len(answer.Header["Content-Length"]) > 0 {
				t.Error("204 with a Content-Length (RFC 9110 section 8.6)")
			}
		})
	}
}

// What comes as things happen must reach the client when it comes: the head, and
// each piece of the body.
func TestPiecesAreNotHeldBack(t *testing.T) {
	for name, frame := range map[string]func(string) string{
		"chunks":        func(s string) string { return "5\r\n" + s + "\r\n" },
		"until the end": func(s string) string { return s },
	} {
		t.Run(name, func(t *testing.T) {
			more := make(chan struct{})
			s := serve(t, Config{}, func(p *peer) {
				p.head()
				if name == "chunks" {
					p.send(chunkedHead)
				} else {
					p.send("HTTP/1.1 200 OK\r\n\r\n")
				}
				for _, word := range []string{"first", "again", "third"} {
					<-more
					p.send(frame(word))
				}
				<-more
				if name == "chunks" {
					p.send("0\r\n\r\n")
				}
			})
			client, url := front(t, s)
			client.Timeout = patience
			answer, err := client.Get(url)
			if err != nil {
				t.Fatal("the head did not come: ", err)
			}
			defer answer.Body.Close()
			word := make([]byte, 5)
			for range 3 {
				more <- struct{}{}
				if _, err := io.ReadFull(answer.Body, word); err != nil {
					t.Fatal(err)
				}
			}
			close(more)
			if rest, err := io.ReadAll(answer.Body); len(rest) > 0 || err != nil {
				t.Errorf("%q, %v", rest, err)
			}
		})
	}
}

func TestCutAnswerIsCutForTheClient(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", chunkedHead + "2\r\nok\r\n"} {
		s := serve(t, Config{}, func(p *peer) { p.head(); p.send(answer) })
		client, url := front(t, s)
		got, err := client.Get(url)
		if err != nil {
			continue // its head was not sent yet
		}
		if b, err := io.ReadAll(got.Body); err == nil {
			t.Errorf("the client takes %q for the whole", b)
		}
		got.Body.Close()
	}
}

// recorder is a client that takes a number of writes.
type recorder struct {
	http.ResponseWriter
	writes int
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.writes--; r.writes < 0 {
		return 0, os.ErrClosed
	}
	return r.ResponseWriter.Write(p)
}

func TestWhoFailed(t *testing.T) {
	tests := []struct {
		name, answer string
		writes       int
		client       bool
	}{
		{"the client, of a small answer", okAnswer, 0, true},
		{"the client, of chunks", chunkedHead + "2\r\nok\r\n2\r\nok\r\n0\r\n\r\n", 1, true},
		{"the client, of a large answer", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), 1, true},
		{"the server", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", 9, false},
		{"the server, in a chunk", chunkedHead + "z\r\n", 9, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, Config{}, func(p *peer) { p.head(); p.send(test.answer) })
			x, err := s.Do(t.Context(), time.Now(), get("/"))
			if err != nil {
				t.Fatal(err)
			}
			w := &recorder{httptest.NewRecorder(), test.writes}
			x.WriteHead(w)
			if got := len(w.Header()["Content-Length"]); (got > 0) != (x.Length >= 0) {
				t.Errorf("Content-Length is %q", w.Header()["Content-Length"])
			}
			err = x.CopyBody(w)
			if errors.Is(err, ErrClient) != test.client {
				t.Errorf("%v", err)
			}
			if test.client != errors.Is(err, os.ErrClosed) {
				t.Errorf("%v does not say why", err)
			}
			if !test.client && failure(t, err).Step != StepBody {
				t.Errorf("%v", err)
			}
			x.Finish(time.Now())
			// Also when the answer was read to its end: its last bytes may still be read, from
			// the buffer of the connection.
			s.connections(t, 0, 0)
		})
	}
}
