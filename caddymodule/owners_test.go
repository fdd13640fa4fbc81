package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/omflow/flows"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/rollout/owners"
	"github.com/omflow/booster/internal/testbed/observe"
)

// Flows of a directory: one that only has forms, one that calls another, one that pauses.
const (
	plainFlow   = "11111111111111111111111111111111"
	callingFlow = "22222222222222222222222222222222"
	pausingFlow = "33333333333333333333333333333333"
)

func TestClaimsOf(t *testing.T) {
	directory := flows.Build([]flows.Source{
		{UUID: plainFlow, App: "app", Name: "plain", APIPath: "plain"},
		{UUID: callingFlow, App: "app", Name: "calling", Design: flows.Design{Calls: []flows.Call{{Flow: "called"}}}},
		{UUID: pausingFlow, App: "app", Name: "pausing", Design: flows.Design{Sleeps: true}},
	}, false)
	now := time.Now()
	book := owners.New()
	for server, flow := range map[string]string{"s1": "path:plain", "s2": callingFlow, "s3": pausingFlow, "s4": strings.Repeat("4", 32)} {
		book.Done(now, book.Sent(now, server, owners.Request{Flow: flow, Row: 17}), 5)
	}
	of := func(flow string) owners.Ticket { return owners.Ticket{Flow: flow, No: 5, Row: 17} }
	unknown := owners.Ticket{Flow: plainFlow, No: 6, Row: 18}
	for _, tt := range []struct {
		name string
		row  rollout.Row
		want string
	}{
		{"a ticket", rollout.Row{Ticket: of(plainFlow)}, "s1"},
		{"one of which the row tells not all", rollout.Row{Ticket: of(plainFlow), Unsure: true}, "s1?"},
		{"one that may wait for another", rollout.Row{Ticket: of(callingFlow)}, "s2?"},
		{"one that may pause", rollout.Row{Ticket: of(pausingFlow)}, "s3?"},
		{"one of an unknown flow", rollout.Row{Ticket: of(strings.Repeat("4", 32))}, "s4?"},
		{"one that was opened by another", rollout.Row{Ticket: unknown, Opener: of(callingFlow)}, "s2?"},
		{"opened by another, and pushed since", rollout.Row{Ticket: of(plainFlow), Opener: of(callingFlow)}, "s1"},
		{"nobody's", rollout.Row{Ticket: unknown}, ""},
		{"no ticket", rollout.Row{}, ""},
	} {
		got := ""
		for _, c := range claimsOf(book, directory, now, []rollout.Row{{}, tt.row})[1] {
			got += c.Server
			if c.Perhaps {
				got += "?"
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for _, c := range claimsOf(book, nil, now, []rollout.Row{{Ticket: of(callingFlow)}})[0] {
		if !c.Perhaps {
			t.Errorf("without a directory: %+v", c)
		}
	}
}

// TestBoostersShareOwners: a booster fetches what the other one has noted, tells it what it
// knows itself, and keeps all that over a reload.
func TestBoostersShareOwners(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	address := freeAddress(t)
	config := b.cluster(address, "", fmt.Sprintf("server %s name=s1", s1.address))
	b.load(config)
	b.await(map[string]string{"s1": "up"})
	ticket := owners.Ticket{Flow: plainFlow, No: 5, Row: 17}
	claimed := func(book *owners.Book, want string) error {
		claims := book.Claims(time.Now(), []owners.Ticket{ticket}, func(string) string { return "" })[0]
		if len(claims) != 1 || claims[0].Server != want || claims[0].Perhaps {
			return fmt.Errorf("claims %+v, want %s", claims, want)
		}
		return nil
	}

	theirs := owners.New()
	note := func(book *owners.Book, server string) {
		book.Done(time.Now(), book.Sent(time.Now(), server, owners.Request{Flow: plainFlow, Row: 17}), 5)
	}
	note(theirs, "s9")
	other := peer(t, "booster-b", gossip.KindBooster, address)
	other.SetHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q ownersQuestion
		if r.URL.Path != ownersPath || control.Decode(r.Body, maxQuestion, &q) != nil {
			http.NotFound(w, r)
			return
		}
		control.Answer(w, theirs.Page(time.Now(), q.Book, q.Next))
	}))
	observe.Succeeds(t, "what the other one has noted is here", func() error { return claimed(omflowOwners(), "s9") })

	ctx, cancel := context.WithTimeout(t.Context(), 2*observe.Patience)
	defer cancel()
	note(omflowOwners(), "s1")
	ask := func(from *gossip.Node, page *owners.Page) error {
		book, next := theirs.Wanted("booster-a")
		return control.Do(from.Do).Call(ctx, "booster-a", ownersPath, ownersQuestion{book, next}, page, owners.MaxMessage)
	}
	var page owners.Page
	observe.Succeeds(t, "the other one is told", func() error { return ask(other, &page) })
	if err := page.Validate(); err != nil {
		t.Fatal(err)
	}
	theirs.Take(time.Now(), "booster-a", page)
	if err := claimed(theirs, "s1"); err != nil {
		t.Error(err)
	}
	// One that is about to hand over has it fetched at once.
	note(theirs, "s8")
	if err := control.Do(other.Do).Call(ctx, "booster-a", ownersFetchPath, struct{}{}, nil, 0); err != nil {
		t.Error(err)
	}
	if err := claimed(omflowOwners(), "s8"); err != nil {
		t.Errorf("after it was asked to fetch: %v", err)
	}
	b.load(config + "\n")
	if err := claimed(omflowOwners(), "s8"); err != nil {
		t.Errorf("after a reload: %v", err)
	}

	// An agent has no say.
	agent := peer(t, "s2", gossip.KindAgent, address)
	for _, path := range []string{ownersPath, ownersFetchPath} {
		observe.Succeeds(t, "an agent is refused", func() error {
			err := control.Do(agent.Do).Call(ctx, "booster-a", path, ownersQuestion{}, nil, 0)
			if control.Refused(err, http.StatusForbidden) {
				return nil
			}
			return fmt.Errorf("%s: %v", path, err)
		})
	}
}
