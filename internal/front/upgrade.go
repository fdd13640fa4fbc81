package front

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/omflow"
)

// isUpgrade reports whether the client asks for another protocol on its
// connection (RFC 9110 section 7.8). Upgrades exist in HTTP/1.1 only; the answer to
// h2c, which would let a client speak past us, is an ordinary one.
func isUpgrade(r *http.Request) bool {
	if len(r.Header["Upgrade"]) == 0 || r.ProtoMajor != 1 {
		return false
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "h2c") {
		return false
	}
	for _, line := range r.Header["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(option), "upgrade") {
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
}

type passageKey struct{}

// upgradeTo is where an upgrade goes, and what became of it.
type upgradeTo struct {
	x       *passage
	address string
	err     error
}

func newUpgrader(f *Front) *upgrader {
	return &upgrader{f: f, transport: &http.Transport{
		DialContext:            (&net.Dialer{Timeout: f.cfg.DialTimeout}).DialContext,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 256 << 10,
		ResponseHeaderTimeout:  f.cfg.ResponseTimeout,
	}}
}

// serve gives the request a place, which it holds as long as its connection lasts.
func (u *upgrader) serve(x *passage) {
	grant, ok := x.place()
	if !ok {
		return
	}
	b := u.f.cfg.Fleet.Balancer()
	defer func() { b.Release(time.Now(), grant, balance.Outcome{}) }()
	x.trace.Tries++
	to := &upgradeTo{x: x, address: u.f.cfg.Fleet.Upstream(grant.Server).Address()}
	ctx := context.WithValue(x.ctx, passageKey{}, to)
	sent := time.Now()
	rp := &httputil.ReverseProxy{
		Rewrite:   rewriteUpgrade,
		Transport: u.transport,
		ModifyResponse: func(resp *http.Response) error {
			x.trace.Served, x.trace.Status = time.Since(sent), resp.StatusCode
			if x.wantsStay {
				x.writeCookie(grant.Server)
			}
			x.timing()
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			if x.ctx.Err() != nil {
				x.gone()
				return
			}
			x.trace.Err = err
			var op *net.OpError
			if errors.As(err, &op) && op.Op == "dial" {
				x.refuse(omflow.Unreachable)
				return
			}
			x.refuse(omflow.BadAnswer)
		},
	}
	rp.ServeHTTP(x.w, x.r.WithContext(ctx))
}

// rewriteUpgrade makes the request to the server the same as the lean way does.
func rewriteUpgrade(pr *httputil.ProxyRequest) {
	to := pr.In.Context().Value(passageKey{}).(*upgradeTo)
	x := to.x
	target, err := url.ParseRequestURI(x.out.Target)
	if err != nil {
		target = &url.URL{Path: pr.In.URL.Path, RawQuery: pr.In.URL.RawQuery}
	}
	target.Scheme, target.Host = "http", to.address
	pr.Out.URL = target
	pr.Out.Host = x.out.Host
	for name := range pr.Out.Header {
		if strings.ContainsRune(name, '_') {
			pr.Out.Header.Del(name)
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
