package front

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a client that takes something when it is told to.
type stuck struct {
	*httptest.ResponseRecorder
	take chan struct{}
}

func (w *stuck) Write(p []byte) (int, error) { <-w.take; return w.ResponseRecorder.Write(p) }
func (w *stuck) FlushError() error           { <-w.take; return nil }

func TestPatientWriter(t *testing.T) {
	for name, write := range map[string]func(http.ResponseWriter) error{
		"write": func(w http.ResponseWriter) error { _, err := io.WriteString(w, "x"); return err },
		"flush": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
	} {
		synctest.Test(t, func(t *testing.T) {
			client := &stuck{httptest.NewRecorder(), make(chan struct{})}
			var gaveUp []time.Duration
			begun := time.Now()
			w := &patientWriter{ResponseWriter: client, patience: stallTime, giveUp: func() { gaveUp = append(gaveUp, time.Since(begun)) }}
			takeAfter := func(d time.Duration) { time.AfterFunc(d, func() { client.take <- struct{}{} }) }
			for range 3 {
				takeAfter(stallTime - time.Second)
				if err := write(w); err != nil {
					t.Errorf("%s: a slow client is given up: %v", name, err)
				}
				time.Sleep(2 * stallTime) // nothing is there to be written
			}
			if len(gaveUp) > 0 {
				t.Errorf("%s: given up after %v", name, gaveUp)
			}
			begun = time.Now()
			takeAfter(3 * stallTime)
			for range 3 { // the client takes what there was, and gets no more
				if err := write(w); !errors.Is(err, errStalled) {
					t.Errorf("%s: a client that took nothing: %v", name, err)
				}
			}
			if len(gaveUp) != 1 || gaveUp[0] != stallTime || time.Since(begun) != 3*stallTime {
				t.Errorf("%s: given up after %v, back after %v", name, gaveUp, time.Since(begun))
			}
		})
	}
}

// A client that takes nothing, and stays, holds no place on a server for ever, whichever
// way its answer comes.
func TestStalledClientHoldsNoPlace(t *testing.T) {
	for name, head := range map[string]string{"ordinary": "GET " + pageURL + " HTTP/1.1\r\nHost: x\r\n", "not upgraded": upgradeHead} {
		t.Run(name, func(t *testing.T) {
			cut := make(chan struct{})
			piece := "10000\r\n" + strings.Repeat("x", 1<<16) + "\r\n"
			up := serve(t, func(p *peer) {
				defer close(cut)
				p.request()
				p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				for {
					p.send(piece)
				}
			})
			s := open(t, []string{up.addr}, one)
			s.front.stall = 100 * time.Millisecond
			c := s.dial()
			io.WriteString(c, head+"\r\n") // and reads nothing
			s.eventually("the server has it", func() bool { return len(up.requests()) == 1 })
			s.idle()
			within(t, cut, "the server is told")
			s.mu.Lock()
			if len(s.traces) > 0 {
				t.Error("the client was not waited for, so nothing was tested")
			}
			s.mu.Unlock()
			c.Close()
			s.trace(1)
			if n := s.inFlight(); n != 0 {
				t.Errorf("%d places are taken", n)
			}
		})
	}
}
