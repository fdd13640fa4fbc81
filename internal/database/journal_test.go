package database

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// testNoJournal asks a database in which OMFLOW's tables were not made.
func testNoJournal(t *testing.T, db *DB) {
	t.Helper()
	if _, err := db.Journal(t.Context(), 10); !errors.Is(err, ErrNoJournal) {
		t.Errorf("without the table: %v", err)
	}
}

// testJournal reads a journal that exists, is empty, and is then filled.
func testJournal(t *testing.T, db *DB) {
	t.Helper()
	read := func(limit int) Journal {
		t.Helper()
		j, err := db.Journal(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	if j := read(10); len(j.Rows) != 0 || j.Count != 0 {
		t.Errorf("empty: %+v", j)
	}
	for _, id := range []string{"NULL", "'任務" + strings.Repeat("x", 1000) + "'", "'third'", "'fourth'", "'fifth'"} {
		if _, err := db.pool.Exec(fmt.Sprintf(`INSERT INTO omflow_queuedata (id, queue_id, name, input_param) VALUES (%d, %s, 'FormFlow', '{}')`,
			10-len(read(10).Rows), id)); err != nil {
			t.Fatal(err)
		}
	}
	want := []JournalRow{
		{ID: 6, QueueID: "fifth"}, {ID: 7, QueueID: "fourth"}, {ID: 8, QueueID: "third"},
		{ID: 9, QueueID: "任務" + strings.Repeat("x", maxQueueID-2)}, {ID: 10},
	}
	for _, limit := range []int{1, 4, 5, 6, MaxJournalRows} {
		j := read(limit)
		if got, want := fmt.Sprint(j.Rows), fmt.Sprint(want[:min(limit, len(want))]); got != want || j.Count != 5 {
			t.Errorf("limit %d: %s of %d, want %s of 5", limit, got, j.Count, want)
		}
	}
	for _, limit := range []int{-1, 0, MaxJournalRows + 1} {
		if _, err := db.Journal(t.Context(), limit); err == nil {
			t.Errorf("limit %d is taken", limit)
		}
	}
	testTickets(t, db)
}
