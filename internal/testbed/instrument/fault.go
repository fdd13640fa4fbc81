package instrument

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kind is a way to misbehave.
type Kind string

// Ways to misbehave.
const (
	// Hang takes requests and neither carries them out nor answers.
	Hang Kind = "hang"
	// Hold takes requests and carries them out when the fault ends.
	Hold Kind = "hold"
	// Slow takes Factor times as long.
	Slow Kind = "slow"
	// Garbage answers bytes that are not HTTP.
	Garbage Kind = "garbage"
	// Close breaks the connection before the request is carried out.
	Close Kind = "close"
	// Drop carries the request out and breaks the connection without an answer.
	Drop Kind = "drop"
	// Cut carries the request out and breaks the connection in mid-answer.
	Cut Kind = "cut"
	// Refuse closes the listener and all connections.
	Refuse Kind = "refuse"
	// Header answers with a header of 1 MB.
	Header Kind = "header"
	// Endless answers with a body that never ends.
	Endless Kind = "endless"
)

// maxFactor is the most that Slow slows.
const maxFactor = 10_000

// Fault is one way to misbehave for a while.
type Fault struct {
	Kind Kind `json:"kind"`
	// Path limits the fault to URLs that start so; not for Refuse. Empty: all.
	Path string `json:"path,omitempty"`
	// Times ends the fault after so many requests; not for Refuse. 0: no end.
	Times int `json:"times,omitempty"`
	// Factor is for Slow: more than 0.
	Factor float64 `json:"factor,omitempty"`
	// Seconds ends the fault after so long. 0: no end.
	Seconds float64 `json:"seconds,omitempty"`
}

// Validate tells what is wrong with the fault.
func (f Fault) Validate() error {
	switch f.Kind {
	case Hang, Hold, Garbage, Close, Drop, Cut, Header, Endless:
	case Slow:
		if !(f.Factor > 0 && f.Factor <= maxFactor) {
			return fmt.Errorf("slow needs a factor of more than 0 and at most %d", maxFactor)
		}
	case Refuse:
		if f.Path != "" || f.Times != 0 {
			return errors.New("connections are refused for all paths and not by number")
		}
	default:
		return fmt.Errorf("unknown fault %q", f.Kind)
	}
	if f.Factor != 0 && f.Kind != Slow {
		return fmt.Errorf("a factor means nothing to %s", f.Kind)
	}
	if f.Times < 0 || !(f.Seconds >= 0) || f.Seconds > 86400 {
		return errors.New("times and seconds can't be negative, nor more than a day")
	}
	return nil
}

// injected is a fault at work.
type injected struct {
	Fault
	left  int // requests, when Times is set
	over  chan struct{}
	timer *time.Timer
}

// Inject replaces the current fault by f at once.
func (in *Instruments) Inject(f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	return in.inject(f, false)
}

// answerFirst is how long refusing connections waits for the answer to the
// request that asked for it.
const answerFirst = 50 * time.Millisecond

func (in *Instruments) inject(f Fault, overHTTP bool) error {
	if f.Kind == Refuse && overHTTP && f.Seconds < 4*answerFirst.Seconds() {
		return errors.New("refusing connections needs seconds, at least 0.2, for nobody could ask for its end any more")
	}
	if err := in.Clear(); err != nil {
		return err
	}
	i := &injected{Fault: f, left: f.Times, over: make(chan struct{})}
	in.mu.Lock()
	in.fault = i
	if f.Seconds > 0 {
		i.timer = time.AfterFunc(time.Duration(f.Seconds*float64(time.Second)), func() {
			if err := in.end(i); err != nil {
				in.cfg.Logger.Error("connections are still refused", "error", err)
			}
		})
	}
	in.mu.Unlock()
	if f.Kind == Refuse {
		if overHTTP {
			time.AfterFunc(answerFirst, in.cfg.Door.Shut)
		} else {
			in.cfg.Door.Shut()
		}
	}
	return nil
}

// Clear ends the fault. Requests that hang are dropped without an answer; the
// error is one of listening again.
func (in *Instruments) Clear() error {
	in.mu.Lock()
	i := in.fault
	in.mu.Unlock()
	return in.end(i)
}

func (in *Instruments) end(i *injected) error {
	in.mu.Lock()
	if i == nil || in.fault != i {
		in.mu.Unlock()
		return nil
	}
	in.fault = nil
	close(i.over)
	if i.timer != nil {
		i.timer.Stop()
	}
	in.mu.Unlock()
	if i.Kind == Refuse {
		return in.cfg.Door.Open()
	}
	return nil
}

// active returns the fault for a path, if there is one.
func (in *Instruments) active(path string) *injected {
	in.mu.Lock()
	defer in.mu.Unlock()
	i := in.fault
	if i == nil || !strings.HasPrefix(path, i.Path) {
		return nil
	}
	if i.Times > 0 {
		if i.left == 0 {
			return nil
		}
		i.left--
	}
	return i
}

// apply answers a request in the fault's way.
func (i *injected) apply(w http.ResponseWriter, r *http.Request, done <-chan struct{}, next func(http.ResponseWriter, *http.Request, float64)) {
	switch i.Kind {
	case Slow:
		next(w, r, i.Factor)
	case Hang:
		select {
		case <-i.over:
		case <-done:
		}
		panic(http.ErrAbortHandler)
	case Hold:
		select {
		case <-i.over:
		case <-done:
			panic(http.ErrAbortHandler)
		}
		next(w, r, 1)
	case Drop:
		next(&discard{header: http.Header{}}, r, 1)
		panic(http.ErrAbortHandler)
	case Cut:
		d := &discard{header: http.Header{}}
		next(d, r, 1)
		raw(w, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(d.body)+1), d.body[:len(d.body)/2])
	case Garbage:
		raw(w, "\x00\x16\x03\xff this is no HTTP\r\n\r\n\x00", nil)
	case Header:
		raw(w, "HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("x", 1<<20)+"\r\nContent-Length: 0\r\n\r\n", nil)
	case Endless:
		endless(w, i.over, done)
	case Close, Refuse: // a connection that was accepted just before the door shut
		panic(http.ErrAbortHandler)
	}
}

// raw writes bytes past net/http and closes the connection.
func raw(w http.ResponseWriter, head string, body []byte) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	// A client that is gone or does not read must not hold the server's end.
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	buf.WriteString(head)
	buf.Write(body)
	buf.Flush()
}

// endless writes until the client leaves or the fault is over.
func endless(w http.ResponseWriter, over, done <-chan struct{}) {
	block := []byte(strings.Repeat("endless ", 4096))
	for {
		select {
		case <-over:
			panic(http.ErrAbortHandler)
		case <-done:
			panic(http.ErrAbortHandler)
		default:
		}
		if _, err := w.Write(block); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// maxDiscard bounds what is kept of an answer that is to be cut.
const maxDiscard = 1 << 20

// discard is an answer that nobody gets.
type discard struct {
	header http.Header
	body   []byte
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(p []byte) (int, error) {
	if room := maxDiscard - len(d.body); room > 0 {
		d.body = append(d.body, p[:min(len(p), room)]...)
	}
	return len(p), nil
}
