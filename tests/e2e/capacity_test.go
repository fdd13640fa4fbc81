//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// A server never has more requests at once than its capacity, whatever 200
// clients do, a part of which go away before they are answered.
func TestCapacity(t *testing.T) {
	servers := []harness.Server{{Capacity: 8}, {Capacity: 4}, {Capacity: 2}}
	c := start(t, harness.Config{Servers: servers, TimeScale: 0.5})
	for _, a := range c.Agents {
		a.ResetStats(t)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	clients := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 200},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer clients.CloseIdleConnections()
	var running sync.WaitGroup
	var mu sync.Mutex
	answers, left := map[int]int{}, 0
	for i := range 200 {
		running.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				code := visit(ctx, clients, c.Booster.URL, i+n)
				mu.Lock()
				if code == 0 {
					left++
				} else {
					answers[code]++
				}
				mu.Unlock()
			}
		})
	}
	// For some seconds, and until there was enough of everything.
	harness.Hold(t, 6*time.Second, "capacity", func() error { return within(t, c, servers) })
	harness.Wait(t, time.Minute, "the servers are full, and many clients were answered and went away", func() error {
		for i, a := range c.Agents {
			if s := a.Stats(t); s.MaxInFlight < servers[i].Capacity || s.Requests < 10*servers[i].Capacity {
				return fmt.Errorf("%s has had %d requests, up to %d at once", a.Name, s.Requests, s.MaxInFlight)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		return atLeast(min(answers[http.StatusOK], left), 100)
	})
	cancel()
	running.Wait()

	if err := within(t, c, servers); err != nil {
		t.Error(err)
	}
	for code, n := range answers {
		if code != http.StatusOK && code != http.StatusFound {
			t.Errorf("%d answers with HTTP %d", n, code)
		}
	}
	// Nothing is counted as running that is not: all places are free again.
	harness.Wait(t, time.Minute, "the last request ends", func() error {
		status, err := c.Booster.Status()
		if err != nil {
			return err
		}
		for _, s := range status.Servers {
			if s.InFlight != 0 {
				return fmt.Errorf("%s has %d in flight", s.Name, s.InFlight)
			}
		}
		return nil
	})
}

// within returns an error if a server has had more requests at once than its capacity.
func within(t *testing.T, c *harness.Cluster, servers []harness.Server) error {
	t.Helper()
	for i, a := range c.Agents {
		if most := a.Stats(t).MaxInFlight; most > servers[i].Capacity {
			return fmt.Errorf("%s had up to %d requests at once; its capacity is %d", a.Name, most, servers[i].Capacity)
		}
	}
	return nil
}

// visits are the requests of the mix. Their answers fit into one packet: of a large
// one the end may arrive before the server counts its request as done, although
// another follows only then.
var visits = []struct{ method, path, body string }{
	{http.MethodGet, "/", ""},
	{http.MethodPost, "/accounts/api/multiple-login/check/", ""}, // signs in with a wrong password
	{http.MethodPost, "/rest/flowmanage/api/omdata/list/mission/", `{"security":"no token","omflow_restapi":true}`},
	{http.MethodGet, "/my-mission/page/mission/", ""},
}

// visit makes one request of the mix, and returns 0 when the client went away
// first: every third does, after a time in which its request waits or runs.
func visit(ctx context.Context, clients *http.Client, url string, n int) int {
	if n%3 == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(1+rand.IntN(200))*time.Millisecond)
		defer cancel()
	}
	v := visits[n/3%len(visits)]
	req, err := http.NewRequestWithContext(ctx, v.method, url+v.path, strings.NewReader(v.body))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth("admin", "wrong")
	resp, err := clients.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0
	}
	return resp.StatusCode
}
