package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// inlineBody is the largest body that is written before the answer is looked
// for, in bytes. It fits into the kernel's buffers, so that the writing does not
// wait for a server that refuses the body and reads nothing of it.
const inlineBody = 64 << 10

// Exchange is a request that was sent and the answer to it. Finish must be
// called, once. It belongs to one goroutine.
type Exchange struct {
	// Status of the answer, 200 to 599.
	Status int
	// Header of the answer, without the fields of the connection and its length.
	// The map is valid until Finish, its values stay so.
	Header http.Header
	// Length in bytes that the answer gives: of its body, or, to a HEAD request
	// and with status 304, of the body that there would be. -1 when it gives none.
	Length int64

	u         *Upstream
	c         *conn
	ctx       context.Context
	head      head
	left      int64 // of a body of known length
	chunks    chunkReader
	ended     bool // the body was read to its end
	broken    bool
	stopWatch func() bool // of ctx; nil if it never ends
	writer    *bodyWriter // of a body that is written beside; nil if none is
}

var exchanges = sync.Pool{New: func() any { return &Exchange{Header: make(http.Header, 16)} }}

// Do sends the request and reads the head of the answer. The error is always an
// *Error. now is the present time.
//
// Nothing is written once ctx has ended. When it ends later, the exchange fails
// at once, until Finish, with ctx's cause; see Request.Abandoned for what becomes
// of the server's work.
func (u *Upstream) Do(ctx context.Context, now time.Time, r *Request) (*Exchange, error) {
	if err := r.check(); err != nil {
		return nil, &Error{Step: StepWrite, Err: err}
	}
	if ctx.Err() != nil {
		return nil, &Error{Step: StepDial, Err: context.Cause(ctx)}
	}
	c, err := u.connection(ctx, now, r.Repeatable)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, &Error{Step: StepDial, Err: err}
	}
	x := exchanges.Get().(*Exchange)
	*x = Exchange{Header: x.Header, u: u, c: c, ctx: ctx}
	if ctx.Done() != nil {
		x.stopWatch = context.AfterFunc(ctx, c.endFunc)
	}
	step, sent, err := x.exchange(r)
	if err == nil {
		// From here on Abort leaves it alone: an answer that began can't be had from
		// another server any more.
		if !c.state.CompareAndSwap(connRepeatable, connBusy) && c.state.Load() == connAborted {
			err = ErrAborted
		}
	}
	if err != nil {
		return nil, x.fail(r, now, &Error{Step: step, Sent: sent, Err: err})
	}
	return x, nil
}

// exchange writes the request and reads the head of the answer.
func (x *Exchange) exchange(r *Request) (step Step, sent bool, err error) {
	c := x.c
	c.out = r.append(c.out[:0])
	mem, inMemory := r.Body.memory()
	beside := !inMemory || len(mem) > inlineBody
	if !beside && len(mem) <= readBuffer {
		c.out = append(c.out, mem...) // one write, one packet
		mem = nil
	}
	n, err := c.Write(c.out)
	if err == nil && !beside && len(mem) > 0 {
		_, err = c.Write(mem)
	}
	switch {
	case err != nil && n == 0:
		return StepWrite, false, err
	case err != nil:
		// The server may have answered before it had read all, and closed.
		if x.readHead(r) != nil {
			return StepWrite, true, err
		}
		x.head.keep = false
		return "", true, nil
	case beside:
		x.writer = startBodyWriter(c, r.Body, x.u.cfg.ResponseTimeout)
	}
	return StepRead, true, x.readHead(r)
}

// fail ends an exchange that has no answer and says why.
func (x *Exchange) fail(r *Request, now time.Time, failed *Error) error {
	c, u, err := x.c, x.u, failed.Err
	failed.Err = x.cause(err)
	whole := failed.Step == StepRead && (x.writer == nil || x.writer.ended() && x.writer.err == nil)
	if r.Abandoned != nil && whole && errors.Is(err, os.ErrDeadlineExceeded) {
		failed.Watched = true
		x.release()
		go u.outwait(c, r.Abandoned)
		return failed
	}
	x.broken = true
	writer := x.writer
	x.Finish(now)
	if writer != nil && errors.Is(writer.err, ErrBodyFile) {
		failed.Step, failed.Err = StepWrite, writer.err
	}
	return failed
}

// cause tells what is behind an error of the connection: reading and writing
// fail with a timeout when the context's end or Abort is what ended them.
func (x *Exchange) cause(err error) error {
	switch {
	case errors.Is(err, ErrBadAnswer):
		return err
	case x.ctx.Err() != nil:
		return context.Cause(x.ctx)
	case x.c.state.Load() == connAborted:
		return ErrAborted
	default:
		return err
	}
}

// readHead reads the answer's head, after any interim ones.
func (x *Exchange) readHead(r *Request) error {
	c := x.c
	for range maxInterim + 1 {
		raw, err := c.head()
		if err != nil {
			return err
		}
		clear(x.Header)
		h, err := parseHead(raw, x.Header)
		c.from += len(raw)
		if err != nil {
			return err
		}
		switch {
		case h.status == http.StatusSwitchingProtocols:
			return badAnswer("it switched protocols without being asked")
		case h.status < 200:
			if r.Interim != nil && h.status != http.StatusContinue {
				r.Interim(h.status, x.Header)
			}
			c.extend(time.Now(), x.u.cfg.ResponseTimeout)
			continue
		}
		x.head, x.Status, x.Length = h, h.status, h.length
		switch {
		case r.Method == http.MethodHead:
			// There is no body (RFC 9112 section 6.3), but some send it: Django 3.2 leaves it
			// to the server under it to take it away, and neither gunicorn 20.1 nor its own
			// does (measured). It may come at any moment, where the next answer is expected.
			x.head.keep = h.keep && h.length == 0
			x.ended = true
		case h.status == http.StatusNotModified:
			x.ended = true
		case h.status == http.StatusNoContent:
			// There is no body (RFC 9112 section 6.3), but a server that announces
			// one may send it, where the next answer is expected.
			x.head.keep = h.keep && !h.chunked && h.length <= 0
			x.ended, x.Length = true, -1
		case h.chunked:
			x.chunks = chunkReader{c: c}
		case h.length >= 0:
			x.left = h.length
			x.ended = h.length == 0
		default:
			x.head.keep = false // the body ends with the connection
		}
		return nil
	}
	return badAnswer("more than %d interim answers", maxInterim)
}

// Read reads the answer's body. The error is io.EOF at its end, else an *Error.
// It may wait for the response timeout each time.
func (x *Exchange) Read(p []byte) (int, error) {
	if x.ended {
		return 0, io.EOF
	}
	x.c.extend(time.Now(), x.u.cfg.ResponseTimeout)
	n, err := x.read(p)
	if errors.Is(err, io.EOF) {
		x.ended = true
		return n, io.EOF
	}
	if err != nil {
		x.broken = true
		return n, &Error{Step: StepBody, Sent: true, Err: x.cause(err)}
	}
	return n, nil
}

func (x *Exchange) read(p []byte) (n int, err error) {
	switch {
	case x.head.chunked:
		return x.chunks.Read(p)
	case x.head.length >= 0:
		if int64(len(p)) > x.left {
			p = p[:x.left]
		}
		n, err = x.c.Read(p)
		x.left -= int64(n)
		if x.left == 0 {
			x.ended = true
			return n, nil
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	default:
		return x.c.Read(p)
	}
}

// buffered returns the whole body if it is of known length and has arrived. It
// is valid until Finish.
func (x *Exchange) buffered() []byte {
	if x.ended || x.head.chunked || x.head.length < 0 || int64(x.c.to-x.c.from) < x.left {
		return nil
	}
	b := x.c.buf[x.c.from : x.c.from+int(x.left)]
	x.c.from += int(x.left)
	x.left, x.ended = 0, true
	return b
}

// Cut closes the connection to the server: whatever it still sends will not be read. It
// alone may be called by another goroutine, while this one is in CopyBody and waits for
// the client; Finish must not have been called.
func (x *Exchange) Cut() { x.c.Close() }

// Trailer returns the fields after a chunked body that was read to its end; nil
// if there are none.
func (x *Exchange) Trailer() http.Header { return x.chunks.trailer }

// Finish ends the exchange: its connection is kept if it can be used again, which
// takes that the request was written whole and the answer read to its end. The
// request's Body is not read any more when it returns. now is the present time.
func (x *Exchange) Finish(now time.Time) {
	c, u := x.c, x.u
	keep := x.ended && !x.broken && x.head.keep && c.from == c.to
	if x.writer != nil && (!keep || !x.writer.ended() || x.writer.err != nil) {
		// The server answered without reading all of the body.
		keep = false
		c.Close()
		<-x.writer.done
	}
	if x.stopWatch != nil && !x.stopWatch() {
		keep = false // the context has ended: the deadline is in the past, or soon will be
	}
	x.release()
	if keep {
		u.keep(now, c)
	} else {
		u.discard(c)
	}
}

// release gives the Exchange back for the next request.
func (x *Exchange) release() {
	clear(x.Header)
	*x = Exchange{Header: x.Header}
	exchanges.Put(x)
}

// outwait waits for the beginning of the answer that nobody wants any more, or
// the end of its connection.
func (u *Upstream) outwait(c *conn, abandoned func()) {
	defer abandoned()
	defer u.discard(c)
	until := time.Now().Add(u.cfg.ResponseTimeout)
	for c.from == c.to {
		if c.SetDeadline(until) != nil {
			return
		}
		// The end of the context, or an Abort, may set the deadline in the past only
		// now; neither ends the server's work.
		if err := c.fill(); !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(until) {
			return
		}
	}
}
