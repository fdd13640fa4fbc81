//go:build unix

package agent

import (
	"strings"
	"testing"

	"github.com/omflow/booster/internal/database"
)

// The stand-in knows the statement that asks for running statements, and runs none.
func TestPendingInStandIn(t *testing.T) {
	b := newBed(t)
	omflow, q := b.omflowWith()
	if err := q.CreateTable(lostFlow); err != nil {
		t.Fatal(err)
	}
	a := new(Agent)
	omflow(a)
	target, err := database.ParseURL(a.Database)
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(target)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if why, err := db.Pending(t.Context(), lostFlow); why != "" || err != nil {
		t.Errorf("nothing runs: %q, %v", why, err)
	}
	if why, err := db.Pending(t.Context(), strings.Repeat("0", 32)); database.Classify(err) != database.NoTable {
		t.Errorf("of no table: %q, %v", why, err)
	}
}
