//go:build linux

package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/client"
)

// Record is one request of a load and its answer.
type Record struct {
	Session int
	// On is the server that had answered the browser's request before.
	On string
	// Title is of the ticket that was to be opened; empty: the request reads.
	Title        string
	Begun, Ended time.Time
	Answer       client.Answer
	Err          error
}

// Took is how long the answer took.
func (r Record) Took() time.Duration { return r.Ended.Sub(r.Begun) }

// Failure says what is wrong with the answer; "" is nothing. A browser that was
// sent to the login page was logged out.
func (r Record) Failure() string {
	a := r.Answer
	switch {
	case r.Err != nil:
		return r.Err.Error()
	case a.LoggedOut():
		return "logged out"
	case a.Code != http.StatusOK:
		return fmt.Sprintf("HTTP %d: %.300s", a.Code, a.Body)
	case strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") && !a.OK():
		return fmt.Sprintf("status %d: %s", a.Status, a.Message)
	}
	if _, ok := a.Number(); r.Title != "" && !ok {
		return fmt.Sprintf("no ticket's number in %.300s", a.Body)
	}
	return ""
}

// OutcomeUnknown reports whether the answer is the one that a create gets which
// was written to a server that died: HTTP 502 with OMFLOW's three members, the
// result null, and a message that says so.
func (r Record) OutcomeUnknown() bool {
	a := r.Answer
	if r.Err != nil || a.Code != http.StatusBadGateway {
		return false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(a.Body, &members) != nil || len(members) != 3 {
		return false
	}
	return a.Status == http.StatusBadGateway && bytes.Equal(members["result"], []byte("null")) &&
		strings.Contains(a.Message, "is unknown") // in English, which the browsers ask for
}

// String shows a record in a failed test.
func (r Record) String() string {
	what := "read"
	if r.Title != "" {
		what = "create " + r.Title
	}
	return fmt.Sprintf("browser %d on %s, %s, begun %s, took %s: %s", r.Session, r.On, what,
		r.Begun.Format("15:04:05.000"), r.Took().Round(time.Millisecond), r.Failure())
}

// SlowestSpared is how long the slowest of the reads took that a server's failure can't
// have slowed, as they were answered before it or belong to sessions on other servers: what this machine
// needs while nothing is wrong. That it stands still for some seconds shows there, too.
func SlowestSpared(records []Record, server string, failed time.Time) (most time.Duration) {
	for _, r := range records {
		if r.Title == "" && (r.Ended.Before(failed) || r.On != server) {
			most = max(most, r.Took())
		}
	}
	return most
}

// mostShown is how many records a failed check prints.
const mostShown = 10

// NoneFailed fails the test when a request did not get the answer it should.
func NoneFailed(t testing.TB, records []Record) {
	t.Helper()
	AllWell(t, records, func(Record) bool { return false })
}

// AllWell is NoneFailed, but for failures that are allowed.
func AllWell(t testing.TB, records []Record, allowed func(Record) bool) {
	t.Helper()
	bad := 0
	for _, r := range records {
		if r.Failure() == "" || allowed(r) {
			continue
		}
		if bad++; bad <= mostShown {
			t.Errorf("failed: %s", r)
		}
	}
	if bad > mostShown {
		t.Errorf("… and %d more of %d requests", bad-mostShown, len(records))
	}
}

// RanOnce fails the test when a create that was answered with a ticket's number
// made none, one that was refused made one, or any made more than one.
func (c *Cluster) RanOnce(t testing.TB, records []Record, titles string) {
	t.Helper()
	tickets := c.Tickets(t, titles)
	creates := 0
	for _, r := range records {
		if r.Title == "" {
			continue
		}
		creates++
		n := tickets[r.Title]
		delete(tickets, r.Title)
		unknown := r.OutcomeUnknown() || r.Err != nil
		switch {
		case n > 1:
			t.Errorf("%s exists %d times", r.Title, n)
		case r.Failure() == "" && n == 0:
			t.Errorf("%s was answered with success and does not exist", r.Title)
		case r.Failure() != "" && !unknown && n != 0:
			t.Errorf("%s was refused and exists: %s", r.Title, r)
		}
	}
	if creates == 0 {
		t.Error("the load had no creates")
	}
	for title, n := range tickets {
		t.Errorf("%s exists %d times and nobody opened it", title, n)
	}
}
