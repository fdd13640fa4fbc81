package proxy

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// Whatever happens to some exchanges, each of the others gets its own answer.
func TestManyExchangesAtOnce(t *testing.T) {
	s := serve(t, Config{}, func(p *peer) {
		for {
			r, b := p.request()
			b = r.URL.RawQuery + b
			switch rand.N(5) {
			case 0:
				p.send(chunkedHead, fmt.Sprintf("%x\r\n", len(b)), b, "\r\n0\r\nX-Query: ", r.URL.RawQuery, "\r\n\r\n")
			case 1:
				p.send("HTTP/1.1 200 OK\r\nConnection: close\r\nX-Query: ", r.URL.RawQuery, "\r\n\r\n", b)
				return
			default:
				p.send("HTTP/1.1 200 OK\r\nX-Query: ", r.URL.RawQuery, fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(b)), b)
			}
			if rand.N(20) == 0 {
				return
			}
		}
	})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 100 {
				text := strings.Repeat(fmt.Sprint(i, "-", j, " "), rand.N(3)*rand.N(20000))
				b, err := ReadBody(strings.NewReader(text), -1, 0, "")
				if err != nil {
					t.Error(err)
					return
				}
				r := create()
				r.Target, r.Body, r.Repeatable = fmt.Sprintf("/?%d-%d", i, j), b, i%2 == 0
				ctx, cancel := context.WithCancel(t.Context())
				if j%7 == 0 {
					time.AfterFunc(time.Duration(rand.N(int64(time.Millisecond))), cancel)
				}
				got, err := echo(ctx, s.Upstream, r)
				cancel()
				b.Close()
				if want := r.Target[2:] + text; err == nil && got != want {
					t.Errorf("got %.60q, want %.60q", got, want)
				}
			}
		})
	}
	all.Go(func() {
		for range 20 {
			s.Prune(time.Now())
			s.Abort()
			time.Sleep(time.Millisecond) // spreads them over the test; nothing waits for it
		}
	})
	all.Wait()
	var open, idle int
	if !eventually(func() bool { open, idle = s.Connections(); return open == idle }) {
		t.Errorf("%d connections, of which %d are idle", open, idle)
	}
}

// echo returns what the server sent back, and fails if the header is not of the
// same answer.
func echo(ctx context.Context, u *Upstream, r *Request) (string, error) {
	x, err := u.Do(ctx, time.Now(), r)
	if err != nil {
		return "", err
	}
	defer func() { x.Finish(time.Now()) }()
	b, err := io.ReadAll(x)
	query := x.Header.Get("X-Query") + x.Trailer().Get("X-Query")
	if err == nil && query != r.Target[2:] {
		return "X-Query: " + query, nil
	}
	return string(b), err
}
