package front

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
)

// withFile is a create of a flow that brings a file.
func (s *site) withFile(path string, fields ...string) *http.Request {
	s.t.Helper()
	contentType, text := form(s.t, append(fields, "@files", "text")...)
	return s.request("POST", path, strings.NewReader(text), "Content-Type", contentType)
}

// times is when a server got and answered requests. It answers none before hold is
// closed, if there is one.
type times struct {
	hold          chan struct{}
	mu            sync.Mutex
	got, answered []time.Time
}

func serveTimed(t testing.TB, at *times) *upstream {
	return serve(t, func(p *peer) {
		for {
			p.request()
			at.mu.Lock()
			at.got = append(at.got, time.Now())
			at.mu.Unlock()
			if at.hold != nil {
				<-at.hold
			}
			at.mu.Lock()
			at.answered = append(at.answered, time.Now())
			at.mu.Unlock()
			p.send(ok(`{"status":200,"message":"","result":1}`))
		}
	})
}

func TestCreatesWithFilesAreApart(t *testing.T) {
	at := times{hold: make(chan struct{})}
	up := serveTimed(t, &at)
	s := open(t, []string{up.addr, refused(t)}, nil)
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() { s.send(s.withFile(createURL)).want(t, 200, "") })
	}
	gate := s.front.cfg.Files
	s.eventually("two wait", func() bool { gate.mu.Lock(); defer gate.mu.Unlock(); return gate.waiting.Len() == 2 })
	close(at.hold)
	clients.Wait()
	at.mu.Lock()
	if len(at.got) != 3 {
		t.Fatalf("%d arrived", len(at.got))
	}
	for i, got := range at.got[1:] {
		// The server notes its answer before it sends it, the front door its end after that.
		if apart := got.Sub(at.got[i]); apart < filePause || got.Unix() == at.answered[i].Unix() {
			t.Errorf("the next came %v after one, want %v", apart, filePause)
		}
	}
	at.mu.Unlock()
	if trace := s.trace(3); trace.Lane != omflow.File || trace.Queue < 2*filePause {
		t.Errorf("trace %+v", trace)
	}

	// While the flow's second is not over, what has nothing to do with it goes on.
	soon(t, "others", func() { s.send(s.withFile(createURL)).want(t, 200, "") }, func() {
		s.send(s.withFile("/rest/flowmanage/api/omdata/edit/another/")).want(t, 200, "")
		s.post(createURL, createBody).want(t, 200, "")
		s.send(s.withFile("/announcement/api/messages/create/")).want(t, 200, "")
		s.send(s.withFile("/flowmanage/api/omdata-file/upload/")).want(t, 200, "")
	})
}

// soon fails the test unless f, which comes after first, takes less than filePause, as it
// does when it waits for no turn. On a machine that is busy it may need another try.
func soon(t testing.TB, what string, first, f func()) {
	t.Helper()
	var took time.Duration
	for range 10 {
		first()
		start := time.Now()
		f()
		if took = time.Since(start); took < filePause {
			return
		}
	}
	t.Errorf("%s waited, at the tenth try for %v", what, took)
}

// The turn lasts as long as the server works, also when its client has gone.
func TestFileTurnOfAClientThatLeft(t *testing.T) {
	up := serveBusy(t)
	s := open(t, []string{up.addr}, nil)
	leave, gone := s.start(s.withFile(createURL))
	within(t, up.got, "the first arrives")
	leave()
	within(t, gone, "its client is gone")
	s.trace(1)
	gate := s.front.cfg.Files
	working := func() (n int) {
		gate.mu.Lock()
		defer gate.mu.Unlock()
		for turn := range gate.taken {
			if !turn.over {
				n++
			}
		}
		return n
	}
	if working() != 1 {
		t.Error("the turn has ended, but the server works on")
	}
	leave, gone = s.start(s.withFile(createURL))
	waiting := func(n int) func() bool {
		return func() bool {
			gate.mu.Lock()
			defer gate.mu.Unlock()
			return gate.waiting.Len() == n
		}
	}
	s.eventually("the second waits", waiting(1))
	leave()
	within(t, gone, "its client is gone")
	s.eventually("it is dropped", waiting(0))
	_, done := s.start(s.withFile(createURL))
	s.eventually("the third waits", waiting(1))
	if n := s.inFlight(); n != 1 {
		t.Errorf("%d places are taken, want the one of the client that has gone", n)
	}
	end := time.Now()
	up.release <- struct{}{}
	within(t, up.got, "the third arrives")
	if after := time.Since(end); after < filePause {
		t.Errorf("it came %v after the end of the first", after)
	}
	up.release <- struct{}{}
	if err := within(t, done, "it is answered"); err != nil {
		t.Error(err)
	}
	s.idle()
}

func TestFileTurnIsBounded(t *testing.T) {
	up := serveBusy(t)
	gate := NewFileGate()
	s := open(t, []string{up.addr}, func(set *setup) {
		set.fleet.Balance.QueueLength = 1
		set.front.QueueWait = 1500 * time.Millisecond // the third comes before that is over
		set.front.Files = gate
	})
	_, first := s.start(s.withFile(createURL))
	within(t, up.got, "the first arrives")
	_, second := s.start(s.withFile(createURL))
	s.eventually("the second waits", func() bool { gate.mu.Lock(); defer gate.mu.Unlock(); return gate.waiting.Len() == 1 })
	s.send(s.withFile(createURL)).want(t, 503, "")
	if err := within(t, second, "the second is answered"); err == nil {
		t.Error("the second was let in")
	}
	reasons := s.trace(1).Refusal + " " + s.trace(2).Refusal
	if reasons != omflow.QueueFull.String()+" "+omflow.WaitedTooLong.String() {
		t.Errorf("refused because of %s", reasons)
	}
	up.release <- struct{}{}
	if err := within(t, first, "the first is answered"); err != nil {
		t.Error(err)
	}

	// One that was not sent keeps nobody waiting.
	s.eventually("its second is over", func() bool { gate.mu.Lock(); defer gate.mu.Unlock(); return len(gate.taken) == 0 })
	s.fleet.SetMark("s1", balance.Drain)
	s.send(s.withFile(createURL)).want(t, 503, "")
	if gate.mu.Lock(); len(gate.taken) != 0 {
		t.Error("one that was not sent rests")
	}
	gate.mu.Unlock()
}
