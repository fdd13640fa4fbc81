package database

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	booster "github.com/omflow/booster/internal/database"
)

// A booster finds the tickets that were opened lately, and does not know what one says whose
// text is too long, as on a real PostgreSQL.
func TestCreatedTickets(t *testing.T) {
	q, db := startBoth(t)
	const flow = strandedFlowUUID
	_, err := q.SaveFlow(Flow{UUID: flow, Name: "任務單", Active: true})
	if err == nil {
		err = q.CreateTable(flow)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"old", "t", strings.Repeat("流", 20_001), strings.Repeat("流", 20_000)} {
		form := json.RawMessage(fmt.Sprintf(`[{"id": "FORMITM_1", "value": %q}]`, text))
		made := time.Now()
		if text == "old" {
			made = made.Add(-time.Hour)
		}
		if _, err := q.InsertTicket(flow, Ticket{CreateUser: "admin", CreateTime: made, Form: form}); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	query := booster.CreatedQuery{Flow: flow, Since: time.Now().Add(-time.Minute), Columns: []string{"formitm_1", "formitm_2"}, Limit: 10}
	if err := db.Created(t.Context(), query, func(c booster.CreatedTicket) {
		known := c.Texts[0] != booster.UnreadText && c.Texts[1] != booster.UnreadText
		found = append(found, fmt.Sprint(c.No, " ", c.User, " ", len(c.Texts[0]), " ", known))
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"2 admin 1 true", "3 admin 1 false", "4 admin 60000 true"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}
