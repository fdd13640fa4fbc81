package front

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/proxy"
)

// send finds a server and sends the request, as often as it must and may.
func (x *passage) send() {
	if x.needsTurn() {
		if !x.takeTurn() {
			return
		}
		defer x.endTurn()
	}
	for {
		grant, ok := x.place()
		if !ok {
			return
		}
		again := x.try(grant)
		if !again {
			return
		}
	}
}

// place waits for a place on a server. It reports false when the request was
// answered, or its client has gone.
func (x *passage) place() (balance.Grant, bool) {
	b := x.f.cfg.Fleet.Balancer()
	asked := x.asked
	if x.trace.Tries > 0 {
		asked = time.Now()
	}
	grant, waiter, err := b.Acquire(asked, &x.ask)
	if err == nil && waiter != nil {
		grant, err = x.wait(b, waiter)
		x.trace.Queue += time.Since(asked)
	}
	if err == nil {
		x.trace.Server, x.trace.Why = grant.Server.Name(), grant.Why
		return grant, true
	}
	x.refuseWaiting(err)
	return balance.Grant{}, false
}

// refuseWaiting answers a request that could not wait until its turn came.
func (x *passage) refuseWaiting(err error) {
	switch {
	case errors.Is(err, balance.ErrQueueFull):
		x.refuse(omflow.QueueFull)
	case errors.Is(err, errNoServer):
		x.refuse(omflow.NoServer)
	case errors.Is(err, errWaited):
		x.refuse(omflow.WaitedTooLong)
	default:
		x.gone()
	}
}

var (
	errWaited   = errors.New("waited too long")
	errNoServer = errors.New("no server is up")
	errGone     = errors.New("the client went away")
)

// wait waits for the waiter's grant, within the limits of the queue.
func (x *passage) wait(b *balance.Balancer, waiter *balance.Waiter) (balance.Grant, error) {
	// Bulk work may wait for a restart as long as the queue lets it, and so may what
	// belongs to the lead: when that is lost, its successor is not there before its
	// lease has run out. Somebody who sits before a page should be told sooner.
	short := min(x.f.cfg.QueueWait, noServerWait)
	patience := time.NewTimer(short)
	defer patience.Stop()
	limit := x.limit()
	defer limit.Stop()
	for {
		select {
		case grant := <-waiter.C:
			return grant, nil
		case <-x.ctx.Done():
			b.Cancel(time.Now(), waiter)
			return balance.Grant{}, errGone
		case <-patience.C:
			if x.trace.Lane == omflow.Flow || x.ask.ToLead || b.Ready() {
				patience.Reset(time.Second)
				continue
			}
			b.Cancel(time.Now(), waiter)
			return balance.Grant{}, errNoServer
		case <-limit.C:
			b.Cancel(time.Now(), waiter)
			if !b.ReadyFor(&x.ask) {
				return balance.Grant{}, errNoServer
			}
			return balance.Grant{}, errWaited
		}
	}
}

// limit is a timer for the end of the request's time in queues. What it spent there
// before counts, but not its time at a server that then failed.
func (x *passage) limit() *time.Timer {
	left := x.f.cfg.QueueWait - x.trace.Queue
	x.deadline = time.Now().Add(left)
	return time.NewTimer(left)
}

// gone ends the request of a client that is not there any more. One that only
// closed its sending side must not take silence for success.
func (x *passage) gone() {
	const clientClosedRequest = 499 // nginx's code; mostly for logs
	x.trace.Refusal = "client gone"
	x.trace.Status = clientClosedRequest
	x.lastAnswer()
	x.w.WriteHeader(clientClosedRequest)
}

// try sends the request to one server. It reports true when it should be tried
// again.
func (x *passage) try(grant balance.Grant) (again bool) {
	cfg := &x.f.cfg
	up := cfg.Fleet.Upstream(grant.Server)
	x.trace.Tries++
	if x.out.Host = x.r.Host; x.out.Host == "" {
		x.out.Host = up.Address() // HTTP/1.0 may leave it out, but Django refuses an empty one
	}
	h := held{x: x, grant: grant}
	defer h.free() // also when the client's side panics
	if err := x.useToken(grant.Server, up); err != nil {
		// Nothing of the call itself was sent.
		h.free()
		cfg.Fleet.Failed(grant.Server, up, err)
		return x.failed(grant.Server, &proxy.Error{Step: proxy.StepDial, Err: err})
	}
	defer x.endCreate()
	defer x.noteEnded()
	x.noteSent(grant.Server)
	if !cfg.Plain {
		x.out.Abandoned = x.abandoned(grant)
	}
	x.answered = false
	sent := time.Now()
	answer, err := up.Do(x.ctx, sent, &x.out)
	if err != nil {
		var failure *proxy.Error
		if errors.As(err, &failure) && failure.Watched {
			h.freed = true // Abandoned gives it back, and ends the turn, the create and the note
			x.turn, x.create, x.owned.number = nil, nil, 0
		}
		h.free()
		cfg.Fleet.Failed(grant.Server, up, err)
		return x.failed(grant.Server, err)
	}
	h.answer = answer
	x.sent = true
	x.trace.Served = time.Since(sent)
	if answer.Status < http.StatusInternalServerError { // a quick error says nothing of the load
		h.outcome = balance.Outcome{Served: x.trace.Served, Total: x.trace.Queue + x.trace.Served}
	}
	x.trace.Err = nil
	return x.pass(&h)
}

// held is a place on a server that is taken, and the answer that it gave.
type held struct {
	x       *passage
	answer  *proxy.Exchange // nil before it began
	grant   balance.Grant
	outcome balance.Outcome
	freed   bool
}

// free gives the connection and the place back. It may be called twice.
func (h *held) free() {
	now := time.Now()
	if h.answer != nil {
		h.answer.Finish(now)
		h.answer = nil
	}
	h.release(now)
}

func (h *held) release(now time.Time) {
	if !h.freed {
		h.freed = true
		h.x.f.cfg.Fleet.Balancer().Release(now, h.grant, h.outcome)
	}
}

// giveUp ends the answer on the server's side and gives the place back, while the client
// is being written to, and will be for who knows how long.
func (h *held) giveUp() {
	h.answer.Cut()
	h.release(time.Now())
	h.x.endTurn()
}

// wholeAnswer is the largest body, in bytes, that is taken from the server before
// the client gets the first of it: a slow client then holds no place, and a server
// that dies in the middle can still be replaced by another. OMFLOW's pages have up
// to 48 kB.
const wholeAnswer = 64 << 10

var wholeAnswers = sync.Pool{New: func() any { return new([wholeAnswer]byte) }}

// pass passes the answer on. It reports true when it broke off before the client
// has seen any of it and the request should be tried again.
func (x *passage) pass(h *held) (again bool) {
	x.noteStatus(h.answer.Status)
	x.answered = h.answer.Status == http.StatusOK
	if n := h.answer.Length; n > 0 && n <= wholeAnswer {
		return x.passWhole(h, n)
	}
	x.changed(h, nil)
	x.head(h)
	if err := h.answer.CopyBody(&patientWriter{ResponseWriter: x.w, patience: x.f.stall, giveUp: h.giveUp}); err != nil {
		x.brokenOff(err)
	}
	return false
}

// passWhole passes on an answer of n bytes, which it reads first.
func (x *passage) passWhole(h *held, n int64) (again bool) {
	buf := wholeAnswers.Get().(*[wholeAnswer]byte)
	got, err := io.ReadFull(h.answer, buf[:n])
	if err != nil && !(got == 0 && errors.Is(err, io.EOF)) { // as after HEAD
		wholeAnswers.Put(buf)
		h.outcome = balance.Outcome{}
		h.free()
		return x.failed(h.grant.Server, err)
	}
	if again, answered := x.judge(h, buf[:got]); again || answered {
		wholeAnswers.Put(buf)
		return again
	}
	x.head(h)
	h.free()
	x.endTurn()
	if got > 0 {
		if _, err := x.w.Write(buf[:got]); err != nil {
			// The buffer is not used again: with HTTP/2 a Write that failed may
			// still be reading it.
			x.brokenOff(fmt.Errorf("%w: %w", proxy.ErrClient, err))
		}
	}
	wholeAnswers.Put(buf)
	return false
}

func (x *passage) head(h *held) {
	x.trace.Status = h.answer.Status
	if x.wantsStay {
		x.writeCookie(h.grant.Server)
	}
	x.timing()
	mayEnd(x.w, x.client, x.trace)
	delete(h.answer.Header, "X-Request-Id") // a server that repeats it would make it two
	h.answer.WriteHead(x.w)
}

// brokenOff ends an answer whose head is on its way: the only way to say that the
// rest is missing is to break off.
func (x *passage) brokenOff(err error) {
	if !errors.Is(err, proxy.ErrClient) && x.ctx.Err() == nil {
		x.trace.Err = err
		x.log(slog.LevelWarn, "answer broke off", x.trace.Server, err)
	}
	panic(http.ErrAbortHandler)
}

// interim passes a 1xx answer on, but not to HTTP/1.0 clients, which know none (RFC
// 9110 section 15.2).
func (x *passage) interim(status int, header http.Header) {
	if !x.r.ProtoAtLeast(1, 1) {
		return
	}
	h := x.w.Header()
	ours := maps.Clone(h)
	maps.Copy(h, header)
	x.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, ours)
}

// failed decides what becomes of a request that a server did not answer.
func (x *passage) failed(server *balance.Server, err error) (again bool) {
	var failure *proxy.Error
	if !errors.As(err, &failure) {
		failure = &proxy.Error{Sent: true, Err: err}
	}
	if failure.Sent {
		x.sent = true
		x.mayHaveChanged(server)
	} else {
		x.noteUnsent()
	}
	if x.ctx.Err() != nil {
		x.trace.Err = nil
		x.gone()
		return false
	}
	x.trace.Err = err
	if again, answered := x.seek(server, failure); again || answered {
		return again
	}
	mayRepeat := !failure.Sent || x.out.Repeatable
	attempts := x.trace.Tries - x.rest.refused // a refused token is no failure of a server
	if mayRepeat && attempts < x.f.cfg.Attempts && (!failure.Sent || x.f.cfg.Retries.Retry(time.Now())) {
		x.avoid(server)
		return true
	}
	level := slog.LevelWarn
	if !failure.Sent {
		level = slog.LevelInfo // the server's state tells of it already
	}
	x.log(level, "request failed", server.Name(), err)
	switch {
	case !failure.Sent:
		x.refuse(omflow.Unreachable)
	case !x.out.Repeatable:
		x.refuse(omflow.OutcomeUnknown)
	case failure.Timeout():
		x.refuse(omflow.ServerTimeout)
	default:
		x.refuse(omflow.BadAnswer)
	}
	return false
}

// avoid keeps the next try from a server, as long as there is another.
func (x *passage) avoid(server *balance.Server) {
	if x.ask.Tried == nil {
		x.ask.Tried = x.tried[:0]
	}
	x.ask.Tried = append(x.ask.Tried, server)
}

// log tells what went wrong between the request and a server.
func (x *passage) log(level slog.Level, message, server string, err error) {
	x.f.cfg.Logger.LogAttrs(x.ctx, level, message,
		slog.String("request_id", x.id), slog.String("method", x.r.Method), slog.String("path", x.view.Path),
		slog.String("class", x.trace.Class.String()), slog.String("server", server),
		slog.Int("tries", x.trace.Tries), slog.String("error", err.Error()))
}
