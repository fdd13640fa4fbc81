package front

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omflow/booster/internal/omflow/token"
	"github.com/omflow/booster/internal/testbed"
)

// openRest puts a front door before three stand-ins, with a broker or without.
func openRest(t *testing.T, broker *token.Broker) (*site, *testbed.Cluster) {
	t.Helper()
	s, cluster := openCluster(t, 3)
	s.front.cfg.Tokens = broker // nobody uses it yet
	return s, cluster
}

// bulk opens that many tickets with one token, eight at a time, and returns how many
// were opened and how many were refused.
func bulk(t *testing.T, s *site, value, title string, count int) (opened, refused int64) {
	t.Helper()
	var next, done, not atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := s.user(t)
			for {
				n := next.Add(1)
				if n > int64(count) {
					return
				}
				a, err := c.Create(context.Background(), value, "mission", fmt.Sprintf("%s %d", title, n))
				if _, numbered := a.Number(); err == nil && a.OK() && numbered {
					done.Add(1)
				} else {
					not.Add(1)
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	return done.Load(), not.Load()
}

func tokenOf(t *testing.T, s *site) string {
	t.Helper()
	value, err := s.user(t).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestWithoutABrokerATokenIsRefused(t *testing.T) {
	s, _ := openRest(t, nil)
	opened, refused := bulk(t, s, tokenOf(t, s), "plain", 90)
	if refused < 30 {
		t.Errorf("%d tickets were opened and %d refused: the fault does not show", opened, refused)
	}
}

func TestOneTokenIsGoodOnAllServers(t *testing.T) {
	s, cluster := openRest(t, new(token.Broker))
	value := tokenOf(t, s)
	const count = 300
	if opened, refused := bulk(t, s, value, "bulk", count); opened != count || refused != 0 {
		t.Errorf("%d of %d tickets were opened, %d refused", opened, count, refused)
	}
	all := 0
	for i, server := range cluster.Servers {
		created := len(server.Instruments().Stats().Created)
		all += created
		if created < count/6 {
			t.Errorf("s%d opened %d of %d tickets of one client", i+1, created, count)
		}
	}
	if all != count {
		t.Errorf("%d tickets exist, %d were confirmed", all, count)
	}
	titles, err := cluster.Queries.TicketsByTitle("bulk ")
	if err != nil {
		t.Fatal(err)
	}
	for title, times := range titles {
		if times != 1 {
			t.Errorf("%q exists %d times", title, times)
		}
	}
}

func TestTokenOutlivesTheServerThatIssuedIt(t *testing.T) {
	s, cluster := openRest(t, new(token.Broker))
	value := tokenOf(t, s)
	bulk(t, s, value, "before", 30) // all three have one
	for i := range cluster.Servers {
		if err := cluster.Restart(i); err != nil { // and have forgotten it
			t.Fatal(err)
		}
	}
	s.eventually("all are up", func() bool {
		up := 0
		for _, st := range s.fleet.Balancer().Servers() {
			if st.State == "up" {
				up++
			}
		}
		return up == len(cluster.Servers)
	})
	if opened, refused := bulk(t, s, value, "after", 60); opened != 60 || refused != 0 {
		t.Errorf("after the servers' restart %d tickets were opened, %d refused", opened, refused)
	}
}

func TestTokenFromBeforeTheBoostersRestart(t *testing.T) {
	s, _ := openRest(t, new(token.Broker))
	value := tokenOf(t, s)
	s.front.cfg.Tokens = new(token.Broker)
	for range 3 { // it is found, and stays found
		if opened, refused := bulk(t, s, value, fmt.Sprint("again ", time.Now().UnixNano()), 20); opened != 20 || refused != 0 {
			t.Errorf("%d tickets were opened, %d refused", opened, refused)
		}
	}
}

func TestWrongTokensGetOMFLOWsAnswer(t *testing.T) {
	broker := new(token.Broker)
	s, cluster := openRest(t, broker)
	direct, err := cluster.Client(0)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	for _, value := range []string{"11111111-2222-4333-8444-555555555555", "nonsense", ""} {
		want, err := direct.Create(t.Context(), value, "mission", "wrong")
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.user(t).Create(t.Context(), value, "mission", "wrong")
		if err != nil || got.Code != want.Code || got.Status != want.Status || got.Message != want.Message {
			t.Errorf("token %q: %d %d %q %v, OMFLOW itself says %d %d %q", value, got.Code, got.Status, got.Message, err, want.Code, want.Status, want.Message)
		}
	}
	if n := broker.Len(); n != 0 {
		t.Errorf("%d wrong tokens were remembered", n)
	}
	if n := len(mustTitles(t, cluster, "wrong")); n != 0 {
		t.Errorf("%d tickets were opened with wrong tokens", n)
	}
}

func mustTitles(t *testing.T, cluster *testbed.Cluster, prefix string) map[string]int {
	t.Helper()
	titles, err := cluster.Queries.TicketsByTitle(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return titles
}
