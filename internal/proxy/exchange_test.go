package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// realServer is net/http's server behind an Upstream.
func realServer(t *testing.T, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	hs := httptest.NewUnstartedServer(h)
	hs.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.conns.Add(1)
		}
	}
	hs.Start()
	u, err := NewUpstream(Config{Address: hs.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	s.Upstream = u
	t.Cleanup(func() { u.Close(); hs.Close() })
	return s
}

func TestBodiesOfManySizesArriveWhole(t *testing.T) {
	s := realServer(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 || (r.ContentLength < 0) {
			t.Errorf("length %d, coding %v", r.ContentLength, r.TransferEncoding)
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Query().Has("chunked") {
			w.(http.Flusher).Flush()
		}
		w.Write(b)
	})
	for _, size := range []int{0, 1, readBuffer - 1, readBuffer, readBuffer + 1, inlineBody, inlineBody + 1, bodyInMemory, bodyInMemory + 1, 5 << 20} {
		for _, target := range []string{"/", "/?chunked"} {
			want := string(pattern(size))
			r := create()
			r.Target, r.Body = target, body(t, want)
			status, got, err := s.do(t.Context(), r)
			if err != nil || status != 200 || got != want {
				t.Fatalf("%d bytes to %s: status %d, %d bytes, %v", size, target, status, len(got), err)
			}
		}
	}
	// A body's writer may not have told its end yet when its connection is needed
	// no more; that costs a connection, no request.
	if n := s.conns.Load(); n > 8 {
		t.Errorf("%d connections were made", n)
	}
}

// What an answer is like, and whether its connection may carry another request.
func TestAnswers(t *testing.T) {
	tests := []struct {
		name   string
		answer string
		closes bool // the server closes then
		method string
		status int
		length int64
		body   string
		err    error
		keep   bool
	}{
		{name: "length", answer: okAnswer, status: 200, length: 2, body: "ok", keep: true},
		{name: "no body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, keep: true},
		{name: "chunks", answer: chunkedHead + "2\r\nok\r\n0\r\n\r\n", status: 200, length: -1, body: "ok", keep: true},
		{name: "until the end", answer: "HTTP/1.1 200 OK\r\n\r\nok", closes: true, status: 200, length: -1, body: "ok"},
		{name: "close", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", status: 200, length: 2, body: "ok"},
		{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, length: 2, body: "ok"},
		{name: "HTTP/1.0, kept", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
			status: 200, length: 2, body: "ok", keep: true},
		{name: "HTTP/1.0, kept, until the end", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nok", closes: true,
			status: 200, length: -1, body: "ok"},
		{name: "HEAD", method: "HEAD", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", status: 200, length: 2},
		{name: "HEAD, chunks", method: "HEAD", answer: chunkedHead, status: 200, length: -1},
		{name: "HEAD, of no known length", method: "HEAD", answer: "HTTP/1.1 200 OK\r\n\r\n", status: 200, length: -1},
		{name: "HEAD, empty", method: "HEAD", answer: "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", status: 302, keep: true},
		{name: "HEAD, with a body", method: "HEAD", answer: okAnswer, status: 200, length: 2},
		{name: "204", answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, length: -1, keep: true},
		{name: "204, empty", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", status: 204, length: -1, keep: true},
		{name: "204, announcing a body", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", status: 204, length: -1},
		{name: "204, announcing chunks", answer: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", status: 204, length: -1},
		{name: "304", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", status: 304, length: 2, keep: true},
		{name: "interim", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + okAnswer,
			status: 200, length: 2, body: "ok", keep: true},
		{name: "more than announced", answer: okAnswer + "x", status: 200, length: 2, body: "ok"},
		{name: "two answers", answer: okAnswer + okAnswer, status: 200, length: 2, body: "ok"},
		{name: "more after the chunks", answer: chunkedHead + "2\r\nok\r\n0\r\n\r\nHTTP/1.1 200", status: 200, length: -1, body: "ok"},
		{name: "less than announced", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", closes: true, status: 200, length: 3, body: "ok",
			err: io.ErrUnexpectedEOF},
		{name: "nothing of what was announced", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", closes: true, status: 200, length: 3,
			err: io.ErrUnexpectedEOF},
		{name: "a cut chunk", answer: chunkedHead + "5\r\nok", closes: true, status: 200, length: -1, body: "ok", err: io.ErrUnexpectedEOF},
		{name: "no last chunk", answer: chunkedHead + "2\r\nok\r\n", closes: true, status: 200, length: -1, body: "ok", err: io.ErrUnexpectedEOF},
		{name: "a bad chunk", answer: chunkedHead + "2\r\nok\r\nz\r\n", status: 200, length: -1, body: "ok", err: ErrBadAnswer},
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
			r := get("/")
			if test.method != "" {
				r.Method = test.method
			}
			x, err := s.Do(t.Context(), time.Now(), r)
			if err != nil {
				t.Fatal(err)
			}
			if x.Status != test.status || x.Length != test.length {
				t.Errorf("status %d, length %d", x.Status, x.Length)
			}
			b, err := io.ReadAll(x)
			if string(b) != test.body || !errors.Is(err, test.err) {
				t.Errorf("body %q, %v", b, err)
			}
			if test.err != nil {
				if e := failure(t, err); e.Step != StepBody || !e.Sent {
					t.Errorf("%+v", e)
				}
			}
			x.Finish(time.Now())
			if test.keep {
				s.connections(t, 1, 1)
			} else {
				s.connections(t, 0, 0)
			}
		})
	}
}

// What is left of an answer would be taken for the next one.
func TestAnswerThatIsNotReadIsNotKept(t *testing.T) {
	for _, answer := range []string{okAnswer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", chunkedHead, chunkedHead + "2\r\nok\r\n0\r\n\r\n"} {
		s := serve(t, Config{}, func(p *peer) { p.head(); p.send(answer); p.wait() })
		x, err := s.Do(t.Context(), time.Now(), get("/"))
		if err != nil {
			t.Fatal(err)
		}
		x.Finish(time.Now())
		s.connections(t, 0, 0)
	}
}

func TestServersThatDoNotAnswer(t *testing.T) {
	tests := []struct {
		name, answer string
		want         error
	}{
		{"closes", "", errClosed},
		{"closes in the head", "HTTP/1.1 200 OK\r\nContent-Le", errClosed},
		{"speaks another protocol", "-ERR unknown command\r\n", ErrBadAnswer},
		{"sends a body alone", "<html>", ErrBadAnswer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, Config{}, func(p *peer) { p.request(); p.send(test.answer) })
			r := create()
			r.Abandoned = func() { t.Error("Abandoned was called") }
			_, err := s.Do(t.Context(), time.Now(), r)
			if e := failure(t, err); !errors.Is(e, test.want) || e.Step != StepRead || !e.Sent || e.Watched || e.Timeout() {
				t.Errorf("%+v", e)
			}
			s.connections(t, 0, 0)
		})
	}
}

func TestInterimAnswersArePassedOn(t *testing.T) {
	s := serve(t, Config{}, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n", okAnswer)
		p.wait()
	})
	var got []string
	r := get("/")
	r.Interim = func(status int, header http.Header) { got = append(got, fmt.Sprint(status, header["Link"])) }
	x, err := s.Do(t.Context(), time.Now(), r)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[103 [a] 102 []]" || len(x.Header) != 0 {
		t.Errorf("got %v, and then %v", got, x.Header)
	}
	x.Finish(time.Now())
}

// A request may go to another server only if nothing of it can have been seen:
// this is what creates are protected by.
func TestSent(t *testing.T) {
	reset := errors.New("reset")
	tests := []struct {
		name  string
		write int // how many bytes can be written
		sent  bool
	}{
		{"nothing was written", 0, false},
		{"a byte was written", 1, true},
		{"all but a byte was written", 60, true},
		{"the head was written, not the body", 1000, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u, err := NewUpstream(Config{Address: "test:1", Dial: func(context.Context, string, string) (net.Conn, error) {
				return &narrow{left: test.write, err: reset}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			r := create()
			r.Body = body(t, string(pattern(readBuffer+1)))
			r.Abandoned = func() { t.Error("Abandoned was called") }
			_, err = u.Do(t.Context(), time.Now(), r)
			if e := failure(t, err); e.Step != StepWrite || e.Sent != test.sent || e.Watched || !errors.Is(e, reset) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// narrow is a connection that takes a number of bytes and answers nothing.
type narrow struct {
	pieces
	left int
	err  error
}

func (c *narrow) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		c.left -= len(p)
		return len(p), nil
	}
	n := c.left
	c.left = 0
	return n, c.err
}

func TestDialFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	u, err := NewUpstream(Config{Address: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.Do(t.Context(), time.Now(), get("/"))
	if e := failure(t, err); e.Step != StepDial || e.Sent || e.Timeout() {
		t.Errorf("%+v", e)
	}
}

// A server that refuses a body answers without reading it, and goes on: its
// answer must arrive, and the rest of the body must not be taken for a request.
func TestEarlyAnswer(t *testing.T) {
	for _, size := range []int{inlineBody + 1, bodyInMemory, 20 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			done := make(chan struct{})
			s := serve(t, Config{}, func(p *peer) {
				p.head()
				p.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
				<-done
			})
			defer close(done)
			r := create()
			r.Body = body(t, string(pattern(size)))
			x, err := s.Do(t.Context(), time.Now(), r)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(x)
			if x.Status != 413 || string(b) != "big" || err != nil {
				t.Errorf("status %d, %q, %v", x.Status, b, err)
			}
			writer := x.writer
			whole := writer.ended()
			x.Finish(time.Now())
			if !writer.ended() {
				t.Error("the body is still read after Finish, when it may be closed")
			}
			if !whole {
				s.connections(t, 0, 0)
			}
			if size > bodyInMemory && whole {
				t.Error("the kernel took the whole body, so that nothing was tested")
			}
		})
	}
}

// The server answers, closes, and what is written to it afterwards fails: its
// answer counts all the same.
func TestAnswerBeforeAFailedWrite(t *testing.T) {
	u, err := NewUpstream(Config{Address: "test:1", Dial: func(context.Context, string, string) (net.Conn, error) {
		c := &narrow{left: 10, err: errors.New("broken pipe")}
		c.data, c.size = okAnswer, 100
		return c, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	x, err := u.Do(t.Context(), time.Now(), create())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(x); string(b) != "ok" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	x.Finish(time.Now())
	if open, _ := u.Connections(); open != 0 {
		t.Error("the connection was kept")
	}
}

// A body whose file is cut can't be sent whole. The server would wait for the
// rest, and then take the next request for it.
func TestBodyFileIsCut(t *testing.T) {
	s := serve(t, Config{}, func(p *peer) { p.request() })
	r := create()
	r.Body = body(t, string(pattern(3<<20)))
	if err := r.Body.file.Truncate(2 << 20); err != nil {
		t.Fatal(err)
	}
	_, err := s.Do(t.Context(), time.Now(), r)
	if e := failure(t, err); !errors.Is(e, ErrBodyFile) || e.Step != StepWrite || !e.Sent {
		t.Errorf("%+v", e)
	}
	s.connections(t, 0, 0)
}
