package front

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omflow/booster/internal/balance"
	"github.com/omflow/booster/internal/fleet"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/testbed"
	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/instrument"
)

// openCluster puts a front door before stand-ins of OMFLOW, watched with OMFLOW's
// own checks.
func openCluster(t *testing.T, servers int) (*site, *testbed.Cluster) {
	t.Helper()
	cluster, err := testbed.NewCluster(testbed.ClusterConfig{Servers: servers, Dir: t.TempDir(), TimeScale: 0.1, Lead: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	var addresses []string
	for _, s := range cluster.Servers {
		addresses = append(addresses, s.Addr())
	}
	s := open(t, addresses, func(set *setup) {
		live, ready := omflow.DefaultChecks()
		set.fleet.Health = health.Config{Live: &live, Ready: &ready, Interval: 100 * time.Millisecond, Timeout: time.Second, Fall: 2}
		set.fleet.Reach = set.fleet.Health
		set.fleet.ResponseTimeout = 5 * time.Second
		set.front.Retries = balance.NewRetryBudget(100)
	})
	return s, cluster
}

func (s *site) user(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{URL: s.URL, User: "admin", Password: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// A server that dies or hangs under load costs no read and no session, no create is
// carried out twice, and one whose fate nobody knows is said to be so.
func TestServerDiesUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a few seconds")
	}
	for name, harm := range map[string]func(t *testing.T, c *testbed.Cluster, i int) (mend func()){
		"killed": func(t *testing.T, c *testbed.Cluster, i int) func() {
			c.Servers[i].Kill()
			return func() {}
		},
		"hanging": func(t *testing.T, c *testbed.Cluster, i int) func() {
			in := c.Servers[i].Instruments()
			if err := in.Inject(instrument.Fault{Kind: instrument.Hang}); err != nil {
				t.Fatal(err)
			}
			return func() { _ = in.Clear() }
		},
		"dropping answers": func(t *testing.T, c *testbed.Cluster, i int) func() {
			in := c.Servers[i].Instruments()
			if err := in.Inject(instrument.Fault{Kind: instrument.Drop}); err != nil {
				t.Fatal(err)
			}
			return func() { _ = in.Clear() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, cluster := openCluster(t, 3)
			instruments := make([]*instrument.Instruments, len(cluster.Servers))
			for i, server := range cluster.Servers {
				instruments[i] = server.Instruments()
			}
			browser := s.user(t)
			if err := browser.SignIn(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			home, err := browser.Home(t.Context())
			if err != nil || home.LoggedOut() {
				t.Fatalf("%d %v", home.Code, err)
			}
			victim := home.Server() // the session's own server

			ctx, stop := context.WithCancel(context.Background())
			var running sync.WaitGroup
			var reads, creates, unknown atomic.Int64
			for n := range 4 {
				running.Go(func() { // programs that read
					reader := s.user(t)
					for ctx.Err() == nil {
						a, err := reader.Get(context.Background(), "/accounts/login/")
						if err != nil || a.Code != 200 {
							t.Errorf("a read: %d %.200s %v", a.Code, a.Body, err)
							return
						}
						reads.Add(1)
					}
				})
				running.Go(func() { // tabs of the browser that open tickets
					for i := 0; ctx.Err() == nil; i++ {
						title := fmt.Sprintf("ticket %d-%d", n, i)
						a, err := browser.Open(context.Background(), engine.MissionUUID, title)
						switch {
						case err == nil && a.OK():
							creates.Add(1)
						case err == nil && a.Code == 502 && a.Status == 502 && strings.Contains(string(a.Body), `"result":null`):
							unknown.Add(1)
						default:
							t.Errorf("a create: %d %.200s %v", a.Code, a.Body, err)
							return
						}
					}
				})
			}
			s.eventually("there is load", func() bool { return creates.Load() > 20 && reads.Load() > 20 })
			mend := harm(t, cluster, int(victim[1]-'1'))
			if name != "dropping answers" { // whose health checks go unanswered, too
				s.eventually("it is noticed", func() bool { st, _ := s.fleet.Balancer().Server(victim); return st.State != "up" })
			}
			before := creates.Load()
			s.eventually("work goes on", func() bool { return creates.Load() > before+20 })
			stop()
			running.Wait()
			mend()

			var done int64
			seen := make(map[string]int)
			for _, in := range instruments {
				for title, times := range in.Stats().Created {
					seen[title] += times
					done += int64(times)
				}
			}
			for title, times := range seen {
				if times != 1 {
					t.Errorf("%q was created %d times", title, times)
				}
			}
			if done < creates.Load() || done > creates.Load()+unknown.Load() {
				t.Errorf("%d tickets were created; %d were confirmed, %d unknown", done, creates.Load(), unknown.Load())
			}
			// The session goes on, on another server.
			a, err := browser.Home(t.Context())
			if err != nil || a.LoggedOut() || a.Code != 200 {
				t.Errorf("the home page: %d %v", a.Code, err)
			}
			for i, in := range instruments {
				if most := in.Stats().MaxInFlight; most > 8 {
					t.Errorf("s%d had %d requests at once", i+1, most)
				}
			}
			s.idle()
			t.Logf("%d reads, %d creates, %d of unknown outcome", reads.Load(), creates.Load(), unknown.Load())
		})
	}
}

// Each server gets its share by capacity and weight, and is drained without an
// error.
func TestSharesAndDrain(t *testing.T) {
	var servers []*upstream
	hold := make(chan struct{})
	s := open(t, nil, func(set *setup) {
		for i, weight := range []int{100, 200, 300} {
			up := serve(t, func(p *peer) {
				for {
					p.request()
					<-hold
					p.send(ok("ok"))
				}
			})
			servers = append(servers, up)
			set.servers = append(set.servers, fleet.Static{Name: fmt.Sprintf("s%d", i+1), Address: up.addr, Capacity: 16, Weight: weight})
		}
	})
	// So many at once that their times, which are those of a busy machine, do not count.
	var answers []<-chan error
	for n := range 24 {
		_, done := s.start(s.request("POST", readURL, strings.NewReader("{}")))
		answers = append(answers, done)
		s.eventually("a server has it", func() bool {
			have := 0
			for _, up := range servers {
				have += len(up.requests())
			}
			return have == n+1
		})
	}
	for i, up := range servers {
		if n, want := len(up.requests()), 4*(i+1); n < want-1 || n > want+1 {
			t.Errorf("s%d has %d of 24 requests, its share is %d", i+1, n, want)
		}
	}
	close(hold)
	for _, done := range answers {
		if err := within(t, done, "an answer"); err != nil {
			t.Error(err)
		}
	}
	for i, up := range servers {
		name := fmt.Sprintf("s%d", i+1)
		s.fleet.SetMark(name, balance.Drain)
		before := len(up.requests())
		for range 50 {
			s.post(readURL, "{}").want(t, 200, "ok")
		}
		if n := len(up.requests()); n != before {
			t.Errorf("%s got %d requests while it drained", name, n-before)
		}
		s.fleet.SetMark(name, balance.NoMark)
	}
}
