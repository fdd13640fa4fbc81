//go:build linux

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/internal/testbed/instrument"
	"github.com/omflow/booster/tests/e2e/harness"
)

// leadRuns is longer than the start of a process is known to.
const leadRuns = 4 * time.Second

// A thousand tickets of one client, opened through two boosters, while a server is killed
// with creates that it has carried out and not answered, and others that it has not carried
// out, and another server is restarted: each create is answered with a number, there is one
// ticket for each, with its content, and all come to their form. Every tenth says the same
// as others.
func TestKilledCreates(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{Boosters: 2})
	c.LeadFirst(t)
	const victim, restarted = 1, 2
	// What is opened in the first moments of a lead server it may have taken over at its
	// start, for all that anybody knows: a server that has it and dies is waited for longer.
	up := time.Now()
	harness.Wait(t, time.Minute, "the lead server has run for a while", func() error {
		if ran := time.Since(up); ran < leadRuns {
			return fmt.Errorf("%s", ran)
		}
		return nil
	})
	b := startBulk(t, c, 1000, 16)
	b.waitFor(t, 100)

	const answered, hung = 3, 3
	a := c.Agents[victim]
	meetPath(t, a, instrument.Fault{Kind: instrument.Drop, Path: bulkPath, Times: answered})
	meetPath(t, a, instrument.Fault{Kind: instrument.Hang, Path: bulkPath, Times: hung})
	c.KillServer(t, victim)
	b.waitFor(t, 400)
	if err := syscall.Kill(c.Agents[restarted].ServerPID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b.waitFor(t, 600)
	c.WaitUp(t, len(c.Agents))
	c.KillServer(t, victim)
	b.check(t, c)

	var found, repeated float64
	for _, n := range c.Boosters {
		found += metric(t, n, `omflow_booster_creates_resolved_total{outcome="found",pool="omflow"} `)
		repeated += metric(t, n, `omflow_booster_creates_resolved_total{outcome="repeated",pool="omflow"} `)
	}
	t.Logf("%g tickets were found, %g creates repeated", found, repeated)
	// One whose answer was to be lost may have died with the server before it was carried out.
	if found < 1 || repeated < hung || found+repeated < answered+hung {
		t.Errorf("%g tickets were found and %g creates repeated, though %d and %d were on the server when it died", found, repeated, answered, hung)
	}
}

// metric is a counter of a node, by its line in the page of metrics up to the value.
func metric(t *testing.T, n *harness.Node, line string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + n.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), line); ok {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("%s has no metric %s", n.Name, line)
	return 0
}

// bulkPath is where programs open tickets.
const bulkPath = "/rest/flowmanage/api/omdata/edit/mission/"

// meetPath has so many requests of the load meet a fault as it says.
func meetPath(t *testing.T, a *harness.Node, f instrument.Fault) {
	t.Helper()
	a.Inject(t, f)
	a.ResetStats(t)
	harness.Wait(t, time.Minute, fmt.Sprintf("creates meet the fault %q", f.Kind), func() error {
		return atLeast(a.Stats(t).ByURL["POST "+f.Path], f.Times)
	})
}

// bulk is a program that opens tickets.
type bulk struct {
	enough  atomic.Bool
	done    atomic.Int64
	running sync.WaitGroup

	mu      sync.Mutex
	answers []client.Answer
	titles  []string
}

// startBulk opens tickets by workers that share the boosters, with one token for each of
// those: so many, and more until it is enough, or a quick machine would be through before
// all has been done to it.
func startBulk(t *testing.T, c *harness.Cluster, tickets, workers int) *bulk {
	t.Helper()
	b := new(bulk)
	t.Cleanup(b.end)
	var next atomic.Int64
	tokens := make([]string, len(c.Boosters))
	for w := range workers {
		booster := w % len(c.Boosters)
		who, err := client.New(client.Config{URL: c.Boosters[booster].URL, User: "admin", Password: "admin", Timeout: 90 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(who.Close)
		if tokens[booster] == "" {
			if tokens[booster], err = who.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		b.running.Go(func() {
			for i := next.Add(1) - 1; i < int64(tickets) || !b.enough.Load(); i = next.Add(1) - 1 {
				title := fmt.Sprintf("bulk-%d", i)
				if i%10 == 0 {
					title = fmt.Sprintf("bulk-same-%d", i/200)
				}
				a, err := who.Create(context.Background(), tokens[booster], "mission", title)
				if err != nil {
					t.Errorf("create %d: %v", i, err)
					return
				}
				b.mu.Lock()
				b.answers, b.titles = append(b.answers, a), append(b.titles, title)
				b.mu.Unlock()
				b.done.Add(1)
			}
		})
	}
	return b
}

// end says that it is enough, and returns when the last one is answered.
func (b *bulk) end() {
	b.enough.Store(true)
	b.running.Wait()
}

// waitFor waits until so many creates were answered.
func (b *bulk) waitFor(t *testing.T, n int64) {
	t.Helper()
	harness.Wait(t, 2*time.Minute, fmt.Sprintf("%d tickets are opened", n), func() error {
		return atLeast(int(b.done.Load()), int(n))
	})
}

// check waits for the rest, and holds the answers against the tickets that there are.
func (b *bulk) check(t *testing.T, c *harness.Cluster) {
	t.Helper()
	b.end()
	told := map[int]string{}
	for i, a := range b.answers {
		var no int
		if a.Code != http.StatusOK || !a.OK() || json.Unmarshal(a.Result, &no) != nil || no == 0 {
			t.Errorf("create %q: HTTP %d, %.200s", b.titles[i], a.Code, a.Body)
			continue
		}
		if other, twice := told[no]; twice {
			t.Errorf("ticket %d was given to two creates, %q and %q", no, other, b.titles[i])
		}
		told[no] = b.titles[i]
	}
	harness.Wait(t, 2*time.Minute, "all tickets come to their form", func() error {
		there := map[int]string{}
		for start := 0; ; {
			page, err := c.Queries.Tickets(database.TicketQuery{Flow: engine.MissionUUID, TitlePrefix: "bulk-", Open: true, Start: start, Limit: 500})
			if err != nil {
				return err
			}
			for _, r := range page.Rows {
				if _, twice := there[r.Ticket.DataNo]; twice {
					return fmt.Errorf("ticket %d has two open rows", r.Ticket.DataNo)
				}
				if r.Ticket.Running {
					return fmt.Errorf("ticket %d runs", r.Ticket.DataNo)
				}
				there[r.Ticket.DataNo] = r.Ticket.Title
			}
			if start += len(page.Rows); start >= page.Total || len(page.Rows) == 0 {
				break
			}
		}
		var wrong []string
		for no, title := range there {
			if told[no] != title {
				wrong = append(wrong, fmt.Sprintf("ticket %d of %q was given to %q", no, title, told[no]))
			}
		}
		if len(wrong) > 0 || len(there) != len(told) {
			return fmt.Errorf("%d tickets, %d answers with a number: %s", len(there), len(told), strings.Join(wrong, "; "))
		}
		return nil
	})
}
