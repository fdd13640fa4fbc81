package front

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/created"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/proxy"
)

// passage is one request on its way.
type passage struct {
	f      *Front
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context
	client Client
	trace  *Trace

	start    time.Time
	asked    time.Time // for a place, at first: when its body had been read
	deadline time.Time // of the present waiting
	id       string
	view     omflow.Request
	body     *proxy.Body

	sticky    balance.Sticky // what its cookie says, if hasSticky
	hasSticky bool
	wantsStay bool // whether the request's lane is sticky at all

	ask    balance.Request
	tried  [4]*balance.Server // where ask.Tried begins
	out    proxy.Request
	fields [8]proxy.Field // where out.Set begins
	rest   restToken
	said   said
	owned  owned

	work     bool      // whether it may put something into OMFLOW's flow queue
	controls bool      // whether it changes something on the lead that others must see
	sent     bool      // whether a server may have seen it
	turn     *fileTurn // among creates with files, or nil

	create   *created.Entry // while it may open a ticket at a server, or nil
	sought   bool           // whether it was looked for what became of it
	answered bool           // with success, by the last server
}

var passages = sync.Pool{New: func() any { return new(passage) }}

func (x *passage) begin(f *Front, w http.ResponseWriter, r *http.Request, client Client, t *Trace) {
	x.f, x.w, x.r, x.client, x.trace = f, w, r, client, t
	x.ctx = r.Context()
	x.start = time.Now()
	x.asked = x.start
}

func (x *passage) free() {
	x.body.Close()
	*x = passage{}
	passages.Put(x)
}

func (x *passage) serve() {
	x.id = x.f.requestID(x.r)
	x.w.Header()["X-Request-Id"] = []string{x.id}
	x.f.cfg.Retries.Request()
	if !origin(x.r) {
		x.view = omflow.Request{Method: x.r.Method, Header: x.r.Header, BodyComplete: true}
		x.trace.Class = omflow.Create
		x.lastAnswer()
		x.refuse(omflow.BadRequest)
		return
	}
	upgrade := isUpgrade(x.r)
	if !x.classify() {
		return
	}
	if x.f.cfg.Table.Refuses(&x.view, x.r.URL.RawQuery) {
		x.refuse(omflow.Forbidden)
		return
	}
	x.readCookie()
	x.prepare()
	x.findToken()
	if upgrade && !x.ask.ToLead && !x.work && !x.rest.present { // OMFLOW upgrades nothing, and these have rules of their own
		x.f.upgrade.serve(x)
		return
	}
	x.send()
}

// origin reports whether the request asks for a path that means the same to all who
// look at it. CONNECT has none; a target such as "http:rest/x" has one that net/http
// takes for opaque, so that rules about paths would not see it, but the server would;
// and PRI is the beginning of HTTP/2 (RFC 9113 section 3.4), not a method.
func origin(r *http.Request) bool {
	return r.Method != http.MethodConnect && r.Method != "PRI" && r.URL.Opaque == ""
}

// classify reads the body and finds lane and class. It reports false when the
// request was answered.
func (x *passage) classify() bool {
	r := x.r
	x.view = omflow.Request{
		Method: r.Method, Path: r.URL.EscapedPath(), ContentType: first(r.Header["Content-Type"]), Header: r.Header,
		BodyComplete: !hasBody(r),
	}
	if x.view.Path == "" { // of "http://host", which is asked for as "/"
		x.view.Path = "/"
	}
	if !x.view.BodyComplete {
		body, err := proxy.ReadBody(r.Body, r.ContentLength, x.f.cfg.MaxBody, x.f.cfg.BodyDir)
		if err != nil {
			x.trace.Class = omflow.Create
			x.refuseBody(err)
			return false
		}
		x.body = body
		x.view.BodyComplete = body == nil
		x.asked = time.Now()
	}
	res := x.f.cfg.Table.Classify(&x.view)
	if res.NeedsBody {
		look, err := x.body.Look(omflow.MaxBodyLook)
		if err == nil {
			x.view.Body, x.view.BodyComplete = look, int64(len(look)) == x.body.Size()
			res = x.f.cfg.Table.Classify(&x.view)
		}
	}
	x.trace.Lane, x.trace.Class, x.work = res.Lane, res.Class, res.Work
	return true
}

// hasBody reports whether a body comes with the request, though it may be empty.
func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

func (x *passage) refuseBody(err error) {
	var reason omflow.Reason
	var limit *http.MaxBytesError // of a handler before this one
	switch {
	case errors.Is(err, proxy.ErrBodyTooLarge), errors.As(err, &limit):
		reason = omflow.BodyTooLarge
	case x.ctx.Err() != nil:
		x.gone()
		return
	case errors.Is(err, proxy.ErrBodyFile):
		x.f.cfg.Logger.Error("a request's body can't be kept on disk", "error", err)
		reason = omflow.NoServer
	default:
		reason = omflow.BadRequest
	}
	x.lastAnswer() // what is left of the body is not read
	x.refuse(reason)
}

// lastAnswer ends the client's connection after this answer. With HTTP/2 and HTTP/3
// it is the stream that ends; the field would end all others, too.
func (x *passage) lastAnswer() {
	if x.r.ProtoMajor == 1 {
		x.w.Header().Set("Connection", "close")
	}
}

// readCookie finds the session's server.
func (x *passage) readCookie() {
	cfg := &x.f.cfg
	lane := x.trace.Lane
	x.ask = balance.Request{Lane: lane, Key: pathKey(x.r.Method, x.view.Path)}
	if !cfg.Plain {
		x.ask.ToLead = cfg.Table.Repairs().Lead && (lane == omflow.Control || lane == omflow.File || x.pauses())
		x.ask.Work = x.work
		x.controls = cfg.Controlled != nil && x.ask.ToLead && lane == omflow.Control && x.trace.Class != omflow.Read
		x.ask.Changes = x.controls
	}
	// One that goes to the lead leaves its session where it is.
	x.wantsStay = cfg.Plain || lane != omflow.Flow && lane != omflow.Static && !x.ask.ToLead
	if len(x.r.Header["Cookie"]) == 0 {
		return
	}
	value, ok := cookieValue(x.r.Header["Cookie"], cfg.Cookie)
	if !ok || !x.wantsStay {
		return
	}
	s, ok := cfg.Keys.Open(value)
	if !ok || !s.Valid(x.start, cfg.Idle, cfg.MaxAge) {
		return
	}
	x.sticky, x.hasSticky = s, true
	x.ask.Sticky, x.ask.Session = s.Server, s.Session
}

// prepare builds what is sent to the server.
func (x *passage) prepare() {
	r := x.r
	x.out = proxy.Request{
		Method: r.Method, Target: r.URL.RequestURI(), Host: r.Host, Header: r.Header,
		Body: x.body, Repeatable: x.trace.Class.Repeatable(), Set: x.fields[:0], Interim: x.interim,
	}
	x.set("X-Request-Id", x.id)
	if !x.client.Forwarded {
		forwarded := Forwarded(r, x.client)
		x.out.Set = append(x.out.Set, forwarded[:]...)
	}
	if len(r.Header["Content-Type"]) > 1 {
		// The first is what it was judged by. gunicorn 20.1 goes by the last (measured).
		x.set("Content-Type", x.view.ContentType)
	}
	cookies := r.Header["Cookie"]
	switch {
	case len(cookies) == 0:
	case x.f.cfg.Table.DropsCookies(x.view.Path):
		x.set("Cookie", "")
	default:
		if rest, removed := withoutCookie(cookies, x.f.cfg.Cookie); removed || len(cookies) > 1 {
			x.set("Cookie", rest)
		}
	}
}

func (x *passage) set(name, value string) {
	x.out.Set = append(x.out.Set, proxy.Field{Name: name, Value: value})
}

// Forwarded returns the fields that tell a server who asks. Those that came from
// somebody who is not trusted are replaced.
func Forwarded(r *http.Request, client Client) [3]proxy.Field {
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	ip := peerIP(r.RemoteAddr)
	host := r.Host
	if client.Trusted {
		if prior := strings.Join(r.Header["X-Forwarded-For"], ", "); prior != "" {
			ip = prior + ", " + ip
		}
		if p := first(r.Header["X-Forwarded-Proto"]); p != "" {
			proto = p
		}
		if h := first(r.Header["X-Forwarded-Host"]); h != "" {
			host = h
		}
	}
	return [3]proxy.Field{{Name: "X-Forwarded-For", Value: ip}, {Name: "X-Forwarded-Proto", Value: proto}, {Name: "X-Forwarded-Host", Value: host}}
}

// refuse answers with a message of ours.
func (x *passage) refuse(reason omflow.Reason) {
	x.trace.Refusal = reason.String()
	page := x.f.cfg.Table.Render(omflow.Answer{Reason: reason, RequestID: x.id}, &x.view)
	x.answer(page)
}

// timing adds the Server-Timing field (W3C Server Timing, section 3).
func (x *passage) timing() {
	var buf [64]byte
	b := append(buf[:0], "queue;dur="...)
	b = appendMillis(b, x.trace.Queue)
	b = append(b, ", server;dur="...)
	b = appendMillis(b, x.trace.Served)
	h := x.w.Header()
	h["Server-Timing"] = append(h["Server-Timing"], string(b))
}
