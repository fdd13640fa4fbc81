package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/rollout"
)

// directories are agents that give out a directory each, by name; one without fails.
type directories map[string]*flows.Directory

func (d directories) do(_ context.Context, member string, r *http.Request) (*http.Response, error) {
	if d[member] == nil || r.URL.Path != flows.Path {
		return nil, errors.New("no such agent")
	}
	w := httptest.NewRecorder()
	if err := json.NewEncoder(w).Encode(d[member]); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func oneFlow(digit string) *flows.Directory {
	return flows.Build([]flows.Source{{UUID: strings.Repeat(digit, 32), APIPath: digit}}, false)
}

func TestFlowsFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agents := directories{"s1": oneFlow("1"), "s2": oneFlow("2"), "s3": oneFlow("3")}
		f := newFlowsFeed(agents.do, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go f.run(ctx)
		said := func(name string, as rollout.Part) {
			f.saw(time.Now(), rollout.Ask{Server: name, Runs: as, Flows: agents[name].Version()})
		}
		held := func(what, want string) {
			t.Helper()
			synctest.Wait()
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.held.Version() != agents[want].Version() {
				t.Errorf("%s: the directory is that of %s, want %s's", what, f.from, want)
			}
		}
		held("nobody has one", "")
		said("s3", rollout.Follower)
		held("one has one", "s3")
		said("s2", rollout.Follower)
		held("another has one, too", "s3")
		said("s1", rollout.Lead)
		held("the lead has one", "s1")
		said("s3", rollout.Follower)
		held("a follower's is another", "s1")

		agents["s1"] = oneFlow("4")
		said("s1", rollout.Lead)
		held("the lead has a new one", "s1")

		// The lead is gone: what is known stays until another says something else.
		before := agents["s1"]
		time.Sleep(rollout.HeardTime + time.Second)
		if f.held != before && f.held.Version() != before.Version() {
			t.Error("it was forgotten with its agent")
		}
		said("s2", rollout.Follower)
		held("another one's", "s2")

		// One that can't be fetched is asked again.
		kept := agents["s2"]
		version := oneFlow("5")
		delete(agents, "s2")
		f.saw(time.Now(), rollout.Ask{Server: "s2", Runs: rollout.Lead, Flows: version.Version()})
		synctest.Wait()
		if f.held.Version() != kept.Version() {
			t.Error("one that can't be fetched was put in force")
		}
		agents["s2"] = version
		time.Sleep(2 * flowsAgain)
		said("s2", rollout.Lead)
		held("at the second try", "s2")

		// An agent that has lost its database has none.
		f.saw(time.Now(), rollout.Ask{Server: "s2"})
		held("the lead has none any more", "s2")
	})
}

// The status says why tickets that pause go to any server.
func TestPausesStatus(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	for lines, want := range map[string]string{"": "no agent has read the deployed flows", "\nrepairs_off pauses": "it is switched off"} {
		b.load(b.cluster(address, "", fmt.Sprintf("server %s name=s1%s", s1.address, lines)))
		status, err := b.status()
		if err != nil {
			t.Fatal(err)
		}
		if status.Pauses == nil || !strings.HasPrefix(status.Pauses.Off, want) {
			t.Errorf("with %q: %+v, want %q", lines, status.Pauses, want)
		}
		var page strings.Builder
		if err := status.print(&page); err != nil || !strings.Contains(page.String(), "OFF: pauses: "+want) {
			t.Errorf("with %q: %v\n%s", lines, err, &page)
		}
	}
	var page strings.Builder
	(&PausesStatus{Flows: 7}).print(&page)
	(&PausesStatus{Flows: 7, Pausing: 2}).print(&page)
	(&LeadStatus{OverduePauses: 3}).print(&page)
	for _, want := range []string{"Pauses: of 7 flows 2 may pause, and their tickets go to the lead server\n", "does not know of: 3\n"} {
		if strings.Count(page.String(), want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, &page)
		}
	}
}
