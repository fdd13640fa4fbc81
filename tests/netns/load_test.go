//go:build linux

package netns

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/internal/boottime"
)

const (
	// slowTime is how long some requests take, and slowPause how long there is none.
	slowTime  = 2 * time.Second
	slowPause = 500 * time.Millisecond
)

// perSecond is how many requests the load makes, half of them on kept connections.
func perSecond() int { return fromEnv("PAIR_RATE", 1000) }

// sent is a request of the load.
type sent struct {
	Began, Took time.Duration
	Kind        string // kept, new or slow
	Err         string // "" for one that was answered
}

// originMain is a web server at addr, whose path says for how many milliseconds it
// works.
func originMain(addr string) error {
	return http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if ms, err := strconv.Atoi(strings.Trim(r.URL.Path, "/")); err == nil {
			select {
			case <-time.After(time.Duration(ms) * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		_, _ = w.Write(body)
	}))
}

// loadMain sends requests to addr and writes down how each went, a line each, until it
// is killed. They are POSTs with a body that can't be had again: Go's client repeats none
// of which anything was sent.
func loadMain(addr string, out *bufio.Writer) error {
	var mu sync.Mutex
	enc := json.NewEncoder(out)
	client := func(fresh bool) *http.Client {
		return &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: fresh, MaxIdleConnsPerHost: 100,
			DialContext: (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		}}
	}
	clients := map[string]*http.Client{"kept": client(false), "new": client(true), "slow": client(false)}
	send := func(kind string, work time.Duration) {
		r := sent{Kind: kind, Began: boottime.Now()}
		if err := post(clients[kind], fmt.Sprintf("http://%s/%d", addr, work.Milliseconds())); err != nil {
			r.Err = err.Error()
		}
		r.Took = boottime.Now() - r.Began
		mu.Lock()
		defer mu.Unlock()
		_ = enc.Encode(r)
	}
	go func() {
		for range time.Tick(slowTime + slowPause) {
			send("slow", slowTime)
		}
	}()
	flush := time.NewTicker(100 * time.Millisecond)
	began, n, rate := time.Now(), 0, perSecond()
	for now := range time.Tick(5 * time.Millisecond) {
		for ; n < int(now.Sub(began)*time.Duration(rate)/time.Second); n++ {
			// Few of them take long, as with OMFLOW.
			work := time.Duration(n/2%50) * time.Millisecond
			go send([]string{"kept", "new"}[n%2], work)
		}
		select {
		case <-flush.C:
			mu.Lock()
			_ = out.Flush()
			mu.Unlock()
		default:
		}
	}
	return nil
}

func post(client *http.Client, url string) error {
	const text = "a ticket"
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, io.NopCloser(strings.NewReader(text)))
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(text))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || string(body) != text {
		return fmt.Errorf("HTTP %d: %.80q", resp.StatusCode, body)
	}
	return nil
}
