package front

import (
	"errors"
	"net/http"
	"time"
)

// stallTime is how long a client may take nothing of an answer whose server holds a
// place. Caddy cuts such a client off after the same time (its write_idle_timeout),
// except over HTTP/2 when the client's TCP connection takes nothing any more: to end a
// stream takes a frame that it would have to take.
const stallTime = time.Minute

var errStalled = errors.New("it took nothing for too long")

// patientWriter writes to a client on behalf of a server. When the client takes nothing
// for so long the server is not kept waiting any longer.
type patientWriter struct {
	http.ResponseWriter
	patience time.Duration
	// giveUp is called once at most, from another goroutine, while Write or FlushError
	// waits for the client. Neither returns before it has, and both fail from then on.
	giveUp func()

	timer   *time.Timer
	gaveUp  chan struct{} // closed when giveUp has returned
	stalled bool
}

// Write writes a part of the body.
func (w *patientWriter) Write(p []byte) (n int, err error) {
	err = w.patiently(func() (err error) { n, err = w.ResponseWriter.Write(p); return err })
	return n, err
}

// FlushError is for http.ResponseController.
func (w *patientWriter) FlushError() error {
	return w.patiently(http.NewResponseController(w.ResponseWriter).Flush)
}

// Unwrap is for http.ResponseController, too.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *patientWriter) patiently(write func() error) (err error) {
	switch {
	case w.stalled:
		return errStalled
	case w.timer == nil:
		w.gaveUp = make(chan struct{})
		w.timer = time.AfterFunc(w.patience, func() {
			defer close(w.gaveUp)
			w.giveUp()
		})
	default:
		w.timer.Reset(w.patience)
	}
	defer func() { // also when it panics
		if !w.timer.Stop() {
			<-w.gaveUp
			w.stalled, err = true, errStalled
		}
	}()
	return write()
}
