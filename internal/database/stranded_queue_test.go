package database

import (
	"slices"
	"strings"
	"testing"
)

// TestUnread: only rows that were not read to their end are looked through, and all of them
// where not all are known, or there are too many to be named.
func TestUnread(t *testing.T) {
	many := make([]int64, maxLonger+1)
	for _, tt := range []struct {
		name string
		read *queueRead
		want string
	}{
		{"nothing was read", nil, ""},
		{"there are others", &queueRead{longer: []int64{7}}, ""},
		{"none is longer", &queueRead{all: true}, "q.id IN (0) AND "},
		{"some are", &queueRead{all: true, longer: []int64{7, 12}}, "q.id IN (0,7,12) AND "},
		{"too many are", &queueRead{all: true, longer: many}, ""},
	} {
		if got := tt.read.unread("q.id IN ({rows}) AND "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for engine, s := range strandedStatements {
		for _, text := range append(slices.Clone(s.proofs[:proofBranch]), s.opener) {
			if strings.Count(text, "{unread}") != 1 || !strings.Contains(s.among, "{rows}") {
				t.Errorf("%s: %s", engine, text)
			}
		}
	}
}

// testComesBetween has a row come after the journal was read: the proof does not look for it,
// and what is read after that tells of it.
func testComesBetween(w strandedWorld) {
	t, db := w.t, w.db
	t.Helper()
	for _, table := range []string{"omflow_queuedata", "omflow_scheduler", "omformmodel_omdata_" + endedFlow} {
		w.exec("DELETE FROM %s", table)
	}
	w.runs(1, "FITEM_1", "FITEM_3")
	w.runs(2, "FITEM_1", "FITEM_3")
	_, q, err := db.readQueue(t.Context(), MaxJournalRows)
	if err != nil || !q.all || len(q.mentions) != 0 {
		t.Fatalf("the journal is %+v, %v", q, err)
	}
	w.journal(`{"table_uuid": "` + endedFlow + `", "data_id": 2}`)
	held, err := db.proved(t.Context(), endedFlow, proofRuns, []strandedRow{{id: 1}, {id: 2}}, q)
	if err != nil || len(held) != 2 {
		t.Fatalf("%v are held, %v", held, err)
	}
	var gone []int64
	still, err := db.unnamed(t.Context(), []StrandedTicket{{Flow: endedFlow, DataID: 1}, {Flow: endedFlow, DataID: 2}}, MaxJournalRows,
		func(t StrandedTicket) { gone = append(gone, t.DataID) })
	if err != nil || len(still) != 1 || still[0].DataID != 1 || !slices.Equal(gone, []int64{2}) {
		t.Errorf("still unnamed are %+v, gone %v, %v", still, gone, err)
	}
}
