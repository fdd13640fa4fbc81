//go:build linux

package harness

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
)

// requestIDs makes the IDs of all requests of a test program different.
var requestIDs atomic.Uint64

// mostSends bounds how often a request is sent whose connection was closed.
const mostSends = 4

// browser is an http.RoundTripper that can bear a reload. With it Caddy closes the
// listening socket of the old configuration, and with that connections that nobody
// has accepted yet, and connections that are idle, on which a request may be on its
// way (RFC 9112, section 9.5). When resend is set, a request whose connection ends
// without a byte of an answer is therefore sent again, whatever it does, and the ID
// of the one that was cut off is kept: a test must know that nobody had read it.
type browser struct {
	transport *http.Transport
	resend    atomic.Bool

	mu  sync.Mutex
	cut []string
}

func newBrowser() *browser {
	return &browser{transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

// RoundTrip implements http.RoundTripper.
func (b *browser) RoundTrip(r *http.Request) (*http.Response, error) {
	for n := 1; ; n++ {
		id, answered, resp, err := b.send(r)
		if err == nil || answered || n == mostSends || !b.resend.Load() || !closed(err) {
			return resp, err
		}
		b.mu.Lock()
		b.cut = append(b.cut, id)
		b.mu.Unlock()
		b.transport.CloseIdleConnections()
	}
}

// closed reports whether the error is one of a connection that the other side ended.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// send sends the request with an ID of its own, and tells whether anything of an
// answer came.
func (b *browser) send(r *http.Request) (id string, answered bool, resp *http.Response, err error) {
	var first atomic.Bool
	trace := &httptrace.ClientTrace{GotFirstResponseByte: func() { first.Store(true) }}
	id = fmt.Sprintf("e2e-%d", requestIDs.Add(1))
	traced := r.Clone(httptrace.WithClientTrace(r.Context(), trace))
	traced.Header.Set("X-Request-Id", id)
	if r.GetBody != nil {
		if traced.Body, err = r.GetBody(); err != nil {
			return id, false, nil, fmt.Errorf("get the request's body once more: %w", err)
		}
	}
	resp, err = b.transport.RoundTrip(traced)
	return id, first.Load(), resp, err
}

// CloseIdleConnections is for http.Client.
func (b *browser) CloseIdleConnections() { b.transport.CloseIdleConnections() }

// Cut returns the IDs of the requests that were cut off and sent again.
func (s *Session) Cut() []string {
	s.browser.mu.Lock()
	defer s.browser.mu.Unlock()
	return append([]string(nil), s.browser.cut...)
}
