package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

var errGone = errors.New("the client went away")

// watched sends a request whose client goes away once the server has got it, and
// returns the error and a channel that tells when Abandoned was called.
func watched(t *testing.T, s *server, r *Request, arrived <-chan struct{}) (*Error, <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	abandoned, failed := make(chan struct{}, 2), make(chan error, 1)
	r.Abandoned = func() { abandoned <- struct{}{} }
	go func() { _, err := s.Do(ctx, time.Now(), r); failed <- err }()
	within(t, arrived, "the request's arrival")
	cancel(errGone)
	e := failure(t, within(t, failed, "the end of Do"))
	if !errors.Is(e, errGone) || e.Timeout() {
		t.Errorf("%+v, want the context's cause", e)
	}
	return e, abandoned
}

func notYet(t *testing.T, abandoned <-chan struct{}) {
	t.Helper()
	select {
	case <-abandoned:
		t.Error("Abandoned was called while the server works")
	default:
	}
}

// The server works on after its client has left: it is watched until it is done,
// in whichever way that is.
func TestAbandonedExchangeIsWatched(t *testing.T) {
	for name, does := range map[string]string{"answers": okAnswer, "dies": ""} {
		for _, size := range []int{0, 100, readBuffer + 1, inlineBody + 1, bodyInMemory + 1} {
			t.Run(fmt.Sprintf("%s, body of %d", name, size), func(t *testing.T) {
				arrived, done := make(chan struct{}), make(chan struct{})
				s := serve(t, Config{}, func(p *peer) {
					if _, b := p.request(); len(b) != size {
						t.Errorf("%d bytes arrived, want %d", len(b), size)
					}
					arrived <- struct{}{}
					<-done
					p.send(does)
				})
				r := create()
				r.Body = body(t, string(pattern(size)))
				e, abandoned := watched(t, s, r, arrived)
				// The goroutine that writes a large body may not have told yet that it
				// is done; then its connection is closed.
				if !e.Watched && size <= inlineBody {
					t.Fatalf("%+v", e)
				}
				if !e.Sent || e.Step != StepRead {
					t.Errorf("%+v", e)
				}
				notYet(t, abandoned)
				if e.Watched {
					s.connections(t, 1, 0)
				}
				close(done)
				if e.Watched {
					within(t, abandoned, "Abandoned")
				}
				s.connections(t, 0, 0)
				notYet(t, abandoned) // no second time
			})
		}
	}
}

// A server that hangs still has the request: it may go on with it when it wakes.
func TestAbandonedExchangeOfAServerThatHangs(t *testing.T) {
	arrived, wake := make(chan struct{}), make(chan struct{})
	s := serve(t, Config{}, func(p *peer) { p.request(); arrived <- struct{}{}; <-wake; p.send(okAnswer) })
	e, abandoned := watched(t, s, get("/"), arrived)
	if !e.Watched {
		t.Fatalf("%+v", e)
	}
	s.Abort()
	notYet(t, abandoned)
	close(wake)
	within(t, abandoned, "Abandoned")
	s.connections(t, 0, 0)
}

// A request that Abort took away from a server that hangs, and one that timed out,
// are watched as one whose client went away is.
func TestExchangeThatWasGivenUpIsWatched(t *testing.T) {
	for name, test := range map[string]struct {
		cfg   Config
		abort bool
		want  error
	}{
		"aborted":   {abort: true, want: ErrAborted},
		"timed out": {cfg: Config{ResponseTimeout: 300 * time.Millisecond}, want: os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			arrived, wake := make(chan struct{}, 1), make(chan struct{})
			s := serve(t, test.cfg, func(p *peer) { p.request(); arrived <- struct{}{}; <-wake; p.send(okAnswer) })
			abandoned := make(chan struct{}, 1)
			r := get("/")
			r.Abandoned = func() { abandoned <- struct{}{} }
			go func() {
				<-arrived
				if test.abort {
					s.Abort()
				}
			}()
			_, err := s.Do(t.Context(), time.Now(), r)
			if e := failure(t, err); !errors.Is(e, test.want) || !e.Watched {
				t.Fatalf("%+v", e)
			}
			close(wake)
			within(t, abandoned, "Abandoned")
			s.connections(t, 0, 0)
		})
	}
}

func TestAbandonedExchangeIsNotWatchedForEver(t *testing.T) {
	arrived := make(chan struct{}, 1)
	pipe(t, func(p *peer) { p.request(); arrived <- struct{}{}; p.wait() }, func(t *testing.T, s *server) {
		arrived = make(chan struct{}, 1) // one of this bubble
		start := time.Now()
		e, abandoned := watched(t, s, create(), arrived)
		if !e.Watched {
			t.Fatalf("%+v", e)
		}
		time.Sleep(50 * time.Second)
		synctest.Wait()
		notYet(t, abandoned)
		<-abandoned
		if d := time.Since(start); !near(d, time.Minute) {
			t.Errorf("it was watched for %s", d)
		}
	})
}

// Without someone to tell, a client that goes away takes its connection along.
func TestNobodyAsksForTheAbandonedExchange(t *testing.T) {
	arrived, closed := make(chan struct{}), make(chan struct{})
	s := serve(t, Config{}, func(p *peer) { p.request(); close(arrived); p.wait(); close(closed) })
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-arrived; cancel(errGone) }()
	_, err := s.Do(ctx, time.Now(), create())
	if e := failure(t, err); !errors.Is(e, errGone) || !e.Sent || e.Watched {
		t.Errorf("%+v", e)
	}
	within(t, closed, "the end of the connection")
	s.connections(t, 0, 0)
}

func TestClientThatIsGoneBefore(t *testing.T) {
	s := serve(t, Config{}, answers(okAnswer))
	s.mustDo(t, get("/")) // leaves a connection that could be used
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errGone)
	r := create()
	r.Abandoned = func() { t.Error("Abandoned was called") }
	_, err := s.Do(ctx, time.Now(), r)
	if e := failure(t, err); !errors.Is(e, errGone) || e.Sent || e.Watched {
		t.Errorf("%+v", e)
	}
	s.connections(t, 1, 1)
}

// A server that has not got the whole request does not work on it yet, and never
// will when its connection is closed.
func TestClientGoesAwayWhileItsBodyIsWritten(t *testing.T) {
	arrived, done := make(chan struct{}), make(chan struct{})
	s := serve(t, Config{}, func(p *peer) { p.head(); close(arrived); <-done })
	defer close(done)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-arrived; cancel(errGone) }()
	r := create()
	r.Body = body(t, string(pattern(20<<20)))
	r.Abandoned = func() { t.Error("Abandoned was called") }
	_, err := s.Do(ctx, time.Now(), r)
	if e := failure(t, err); !errors.Is(e, errGone) || !e.Sent || e.Watched {
		t.Errorf("%+v", e)
	}
	s.connections(t, 0, 0)
}

func TestClientGoesAwayInTheAnswer(t *testing.T) {
	closed := make(chan struct{})
	s := serve(t, Config{}, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		p.wait()
		close(closed)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	r := create()
	r.Abandoned = func() { t.Error("Abandoned was called") }
	x, err := s.Do(ctx, time.Now(), r)
	if err != nil {
		t.Fatal(err)
	}
	half := make([]byte, 4)
	if _, err := io.ReadFull(x, half); err != nil {
		t.Fatal(err)
	}
	cancel(errGone)
	_, err = x.Read(half)
	if e := failure(t, err); !errors.Is(e, errGone) || e.Step != StepBody || e.Timeout() {
		t.Errorf("%+v", e)
	}
	x.Finish(time.Now())
	within(t, closed, "the end of the connection")
	s.connections(t, 0, 0)
}

// A context that ends after the answer was read must not end the next exchange on
// the same connection, and one that ends before Finish leaves no connection whose
// deadline is in the past.
func TestContextEndsLate(t *testing.T) {
	s := serve(t, Config{}, answers(okAnswer))
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		x, err := s.Do(ctx, time.Now(), get("/"))
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if i%2 == 0 {
			_, _ = io.ReadAll(x)
			cancel()
			x.Finish(time.Now())
			continue
		}
		if b, err := io.ReadAll(x); string(b) != "ok" || err != nil {
			t.Fatalf("request %d: %q, %v", i, b, err)
		}
		x.Finish(time.Now())
		cancel()
	}
}
