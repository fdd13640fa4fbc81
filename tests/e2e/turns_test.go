//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/engine"
	"github.com/omflow/booster/tests/e2e/harness"
)

// Tickets of one flow that bring files are opened through both boosters at once: no two
// of them share a second, so that each has its own file and no other. When the active
// booster dies, those that go on through the other one still don't.
func TestFilesThroughBothBoosters(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{Boosters: 2, Servers: make([]harness.Server, 1)})
	harness.Wait(t, harness.StartTime, "the first booster is the active one", func() error { return pairState(c.Boosters[0], "active") })
	const each = 3
	opened := openWithFiles(t, c.Boosters, each, nil)
	if len(opened) != each*len(c.Boosters) {
		t.Errorf("%d of %d tickets were opened", len(opened), each*len(c.Boosters))
	}
	apart(t, c, opened)

	// The active booster dies after a few of them.
	some := make(chan struct{}, 1)
	go func() {
		<-some
		c.Boosters[0].Kill()
	}()
	opened = openWithFiles(t, c.Boosters, each, some)
	if len(opened) < each {
		t.Errorf("%d tickets were opened", len(opened))
	}
	apart(t, c, opened)
	harness.Wait(t, harness.StartTime, "the second is the active one", func() error { return pairState(c.Boosters[1], "active") })
	apart(t, c, openWithFiles(t, c.Boosters[1:], 2, nil))
}

func pairState(n *harness.Node, want string) error {
	status, err := n.Status()
	if err == nil && status.Pair.State != want {
		err = fmt.Errorf("%s is %s", n.Name, status.Pair.State)
	}
	return err
}

// openWithFiles opens so many tickets of one flow through each booster, all at once, and
// returns the titles by number. some has a value when two have been opened.
func openWithFiles(t *testing.T, boosters []*harness.Node, each int, some chan<- struct{}) map[int]string {
	t.Helper()
	ctx := context.Background()
	var mu sync.Mutex
	opened := map[int]string{}
	var running sync.WaitGroup
	for _, b := range boosters {
		cl, err := client.New(client.Config{URL: b.URL, User: "admin", Password: "admin"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		token, err := cl.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range each {
			title := fmt.Sprintf("%s-%d-%d", b.Name, i, time.Now().UnixMilli())
			form, err := json.Marshal(client.Form(title))
			if err != nil {
				t.Fatal(err)
			}
			running.Go(func() {
				a, err := cl.PostFiles(ctx, "/rest/flowmanage/api/omdata/edit/mission/", map[string]string{
					"security": token, "omflow_restapi": "true", "action": "create", "formdata": string(form),
				}, client.File{Name: title + ".txt", Data: []byte(title)})
				no, ok := a.Number()
				if err != nil || !ok {
					t.Logf("%s: HTTP %d, status %d %s, %v", title, a.Code, a.Status, a.Message, err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				opened[no] = title
				if len(opened) == 2 && some != nil {
					some <- struct{}{}
				}
			})
		}
	}
	running.Wait()
	return opened
}

// apart fails the test when two of the tickets were opened within one second, or one has
// other files than its own.
func apart(t *testing.T, c *harness.Cluster, opened map[int]string) {
	t.Helper()
	seconds := map[int64]string{}
	for no, title := range opened {
		page, err := c.Queries.Tickets(database.TicketQuery{Flow: engine.MissionUUID, DataNo: no})
		if err != nil || page.Total == 0 {
			t.Fatalf("ticket %d: %d rows, %v", no, page.Total, err)
		}
		second := page.Rows[0].Ticket.CreateTime.Unix()
		if other, ok := seconds[second]; ok {
			t.Errorf("%s and %s were opened within one second", title, other)
		}
		seconds[second] = title
		files, err := c.Queries.TicketFiles(engine.MissionUUID, no)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		if want := []string{title + ".txt"}; !slices.Equal(names, want) {
			t.Errorf("%s has the files %q", title, names)
		}
	}
}
