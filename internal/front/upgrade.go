package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/proxy"
)

// isUpgrade reports whether the client asks for another protocol on its
// connection (RFC 9110 section 7.8). Upgrades exist in HTTP/1.1 only. A request for
// one may always be answered as an ordinary one, and that is what becomes of three
// kinds: h2c, which would let a client speak past us, those that bring a body, which
// would go past the rules for bodies, and those for a protocol without a name in ASCII,
// which ReverseProxy refuses in a way that looks like a server's failure.
func isUpgrade(r *http.Request) bool {
	offers := r.Header["Upgrade"]
	if len(offers) == 0 || r.ProtoMajor != 1 || r.ProtoMinor != 1 || hasBody(r) {
		return false
	}
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	return hasOption(r.Header["Connection"], "upgrade") && !hasOption(offers, "h2c") && !strings.ContainsFunc(offers[0], odd)
}

// hasOption reports whether the lines of a field that is a list have an entry.
func hasOption(lines []string, entry string) bool {
	for _, line := range lines {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(option), entry) {
				return true
			}
		}
	}
	return false
}

// upgrader passes upgrades through with the standard library's ReverseProxy.
type upgrader struct {
	f         *Front
	transport *http.Transport
	errorLog  *log.Logger
}

func newUpgrader(f *Front) *upgrader {
	return &upgrader{
		f:        f,
		errorLog: slog.NewLogLogger(f.cfg.Logger.Handler(), slog.LevelDebug),
		transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: f.cfg.DialTimeout}).DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 256 << 10,
			ResponseHeaderTimeout:  f.cfg.ResponseTimeout,
		},
	}
}

// serve gives the request a place, which it holds as long as its connection lasts.
func (u *upgrader) serve(x *passage) {
	for {
		grant, ok := x.place()
		if !ok || !u.try(x, grant) {
			return
		}
	}
}

// try sends the request to one server. It reports true when it should be tried
// again.
func (u *upgrader) try(x *passage, grant balance.Grant) (again bool) {
	fleet := u.f.cfg.Fleet
	h := held{x: x, grant: grant}
	defer h.free()
	x.trace.Tries++
	up := fleet.Upstream(grant.Server)
	// A client that goes away does not end the server's work, so it must not end the
	// waiting for it either, but for a plain balancer. The response timeout still does.
	ctx, cancel := context.WithCancel(context.WithoutCancel(x.ctx))
	defer cancel()
	follow := func() { context.AfterFunc(x.ctx, cancel) }
	if u.f.cfg.Plain {
		follow()
	}
	sent, answered := time.Now(), false
	rp := &httputil.ReverseProxy{
		Rewrite:   func(pr *httputil.ProxyRequest) { x.rewriteUpgrade(pr, up.Address()) },
		Transport: u.transport,
		ErrorLog:  u.errorLog,
		ModifyResponse: func(resp *http.Response) error {
			answered = true
			x.trace.Served, x.trace.Status, x.trace.Err = time.Since(sent), resp.StatusCode, nil
			if x.wantsStay {
				x.writeCookie(grant.Server)
			}
			x.timing()
			if resp.StatusCode != http.StatusSwitchingProtocols {
				mayEnd(x.w, x.client, x.trace)
				follow() // an ordinary answer that has begun ends with its client
				resp.Body = &timedBody{ReadCloser: resp.Body, timeout: u.f.cfg.ResponseTimeout, end: cancel}
			}
			resp.Header.Del("X-Request-Id")
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			if answered { // the answer could not be passed on
				x.trace.Err = err
				x.refuse(omflow.BadAnswer)
				return
			}
			err = upgradeError(err)
			fleet.Failed(grant.Server, up, err)
			again = x.failed(grant.Server, err)
		},
	}
	w := &patientWriter{ResponseWriter: x.w, patience: u.f.stall, giveUp: func() { cancel(); h.release(time.Now()) }}
	rp.ServeHTTP(w, x.r.WithContext(ctx))
	return again
}

// timedBody is an answer's body whose server may send nothing for so long.
type timedBody struct {
	io.ReadCloser
	timeout time.Duration
	end     func() // makes Read fail
}

// Read reads a part of the body.
func (b *timedBody) Read(p []byte) (int, error) {
	timer := time.AfterFunc(b.timeout, b.end)
	defer timer.Stop()
	return b.ReadCloser.Read(p)
}

// upgradeError tells whether the server may have seen the request.
func upgradeError(err error) *proxy.Error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return &proxy.Error{Step: proxy.StepDial, Err: err}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() { // net/http's own kind, which proxy does not know
		err = fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
	}
	return &proxy.Error{Step: proxy.StepRead, Sent: true, Err: err}
}

// rewriteUpgrade makes the request to the server the same as the lean way does.
func (x *passage) rewriteUpgrade(pr *httputil.ProxyRequest, address string) {
	target, err := url.ParseRequestURI(x.out.Target)
	if err != nil {
		target = &url.URL{Path: pr.In.URL.Path, RawQuery: pr.In.URL.RawQuery}
	}
	target.Scheme, target.Host = "http", address
	pr.Out.URL = target
	pr.Out.Host = x.out.Host
	for name := range pr.Out.Header {
		if strings.ContainsRune(name, '_') || name == "Proxy" || name == "Expect" {
			delete(pr.Out.Header, name)
		}
	}
	for _, field := range x.out.Set {
		if field.Value == "" {
			pr.Out.Header.Del(field.Name)
		} else {
			pr.Out.Header.Set(field.Name, field.Value)
		}
	}
}
