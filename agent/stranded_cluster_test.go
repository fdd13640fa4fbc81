//go:build unix

package agent

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/observe"
)

const strandedFlow = "dc33fb340034418c8fbb3baf15525e86"

// strand makes a flow with a ticket that a server has opened and not queued, and one
// that nobody can make anything of.
func strand(t *testing.T, q database.Queries) (lost, unclear database.Ticket) {
	t.Helper()
	if _, err := q.SaveFlow(database.Flow{UUID: strandedFlow, Name: "mission", Version: 1, Active: true, Steps: []database.Step{{Name: "form"}}}); err != nil {
		t.Fatal(err)
	}
	if err := q.CreateTable(strandedFlow); err != nil {
		t.Fatal(err)
	}
	insert := func() database.Ticket {
		t.Helper()
		made, err := q.InsertTicket(strandedFlow, database.Ticket{Running: true, CreateTime: time.Now(), UpdateTime: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	lost, unclear = insert(), insert()
	unclear.Progress = database.Progress{From: "FITEM_1", To: "FITEM_2", DataID: unclear.ID}
	if _, err := q.UpdateTicket(strandedFlow, unclear); err != nil {
		t.Fatal(err)
	}
	return lost, unclear
}

// TestLeadRestoresStranded: what the journal lacks of a ticket is there before the lead
// server starts, and people are told of the one of which that is not known. A second
// start adds nothing.
func TestLeadRestoresStranded(t *testing.T) {
	b := newBed(t)
	omflow, q := b.omflowWith()
	lost, unclear := strand(t, q)
	b.to.say(granting())
	b.start(b.agent(omflow), nil)
	r := b.to.wait(t, "up as the lead", func(r gossip.Report) bool { return up(r) && r.Lead })
	restored := func() {
		t.Helper()
		journal, err := q.Queue()
		if err != nil {
			t.Fatal(err)
		}
		if len(journal) != 1 || journal[0].DataID != lost.ID || journal[0].DataNo != lost.DataNo || journal[0].Chart != "FITEM_1" || journal[0].Push {
			t.Fatalf("the journal has %+v, want the first row of ticket %d", journal, lost.DataNo)
		}
	}
	restored()
	told := func(a rollout.Ask) bool {
		return slices.ContainsFunc(a.StrandedTickets, func(text string) bool {
			return strings.HasPrefix(text, "ticket 2 of flow mission stands still") && strings.Contains(text, "about to come to a form")
		})
	}
	if ask := b.to.waitAsk(t, "somebody is told", told); len(ask.StrandedTickets) != 1 || unclear.DataNo != 2 {
		t.Errorf("told %q, want ticket %d alone", ask.StrandedTickets, unclear.DataNo)
	}
	if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.to.wait(t, "up again as the lead", func(next gossip.Report) bool { return up(next) && next.Lead && next.PID != r.PID })
	restored()
	if ask := b.to.waitAsk(t, "somebody is told", told); len(ask.StrandedTickets) != 1 {
		t.Errorf("told again: %q", ask.StrandedTickets)
	}
}

// TestFollowerTellsOfStranded: a follower that dies and leaves a ticket stranded makes
// its agent ask for a start of the lead server, and writes nothing itself.
func TestFollowerTellsOfStranded(t *testing.T) {
	if testing.Short() {
		t.Skip("it looks for 20 s")
	}
	b := newBed(t)
	omflow, q := b.omflowWith()
	b.to.say(follow)
	b.start(b.agent(omflow), nil)
	r := b.to.wait(t, "up", up)
	strand(t, q)
	killed := time.Now()
	if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.to.wait(t, "up again", func(next gossip.Report) bool { return up(next) && next.PID != r.PID })
	var least time.Duration
	for _, p := range deathLooks {
		least += p
	}
	observe.Eventually(t, "the looks may be over", func() bool { return time.Since(killed) > least })
	ask := b.to.waitAsk(t, "somebody is told of the stranded ticket", func(a rollout.Ask) bool { return a.Stranded > 0 })
	if found := time.Since(killed) - ask.Stranded; found < least {
		t.Errorf("it was found %v after the server had died, before the looks of %v", found, least)
	}
	if journal, err := q.Queue(); err != nil || len(journal) != 0 {
		t.Errorf("the journal has %+v, %v; want nothing before the lead server's start", journal, err)
	}
}
