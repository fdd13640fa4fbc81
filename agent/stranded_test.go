package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/rollout"
)

func TestStrandedSummary(t *testing.T) {
	ticket := func(flow, name string, no int64, why string) database.StrandedTicket {
		return database.StrandedTicket{Flow: flow, Name: name, DataNo: no, DataID: 2 * no, Why: why}
	}
	tickets := []database.StrandedTicket{
		ticket("f1", "任務單", 7, "a"), ticket("f2", "任務單", 7, "a"), ticket("f1", "任務單", 9, "a"), ticket("f1", "任務單", 9, "a"), ticket("f1", "任務單", 8, "b"),
	}
	for n := range int64(maxTold + 3) {
		tickets = append(tickets, ticket("f3", "申請", 100+n, "c"))
	}
	got := summary(tickets)
	const tail = ": look at it, and delete it or open it again"
	want := []string{
		"ticket 7, 9 of flow 任務單 stands still since a server ended, and is not resumed, because a" + tail,
		"ticket 7 of flow 任務單 stands still since a server ended, and is not resumed, because a" + tail,
		"ticket 8 of flow 任務單 stands still since a server ended, and is not resumed, because b" + tail,
		"ticket 100, 101, 102, 103, 104, 105, 106, 107, 108, 109 and 3 more of flow 申請 stands still since a server ended, and is not resumed, because c" + tail,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A ticket that stands still again and again is put back some times and then told, and so
// causes no more starts of the lead server; one that was gone meanwhile begins anew.
func TestStrandedTries(t *testing.T) {
	var c tries
	again := database.StrandedTicket{Flow: "f1", DataID: 7}
	other := database.StrandedTicket{Flow: "f2", DataID: 7}
	unclear := database.StrandedTicket{Flow: "f1", DataID: 8, Why: "unclear"}
	for n := range 2 * maxTries {
		found := []database.StrandedTicket{again, unclear}
		if n == 2 {
			found = append(found, other)
		}
		may, left := c.take(found)
		want, told := found[:1:1], 1
		if want = append(want, found[2:]...); n >= maxTries {
			want, told = want[1:], 2
		}
		if !slices.Equal(may, want) || len(left) != told {
			t.Errorf("try %d: put back %v, told of %v", n+1, may, left)
		}
	}
	c.take(nil)
	if may, _ := c.take([]database.StrandedTicket{again}); len(may) != 1 || len(c.rows) != 1 {
		t.Errorf("after it was gone: %v, of %v", may, c.rows)
	}
}

// What is still so is told once, and for a day from then on.
func TestToldAgain(t *testing.T) {
	var m notices
	now := time.Now()
	m.add(now, []string{"a", "b"})
	m.add(now.Add(time.Hour), []string{"a"})
	if got := m.texts(now.Add(2 * time.Hour)); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("told %v", got)
	}
	if got := m.texts(now.Add(noticeTime + time.Minute)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("told a day later %v", got)
	}
}

// The looks before a lead server's start fit into its lease.
func TestStartLooksFitTheLease(t *testing.T) {
	var sum time.Duration
	for _, p := range startLooks {
		sum += p
	}
	if sum >= searchTime || searchTime >= rollout.LeaseTime {
		t.Errorf("looks take %v, the search %v of a lease of %v", sum, searchTime, rollout.LeaseTime)
	}
}
