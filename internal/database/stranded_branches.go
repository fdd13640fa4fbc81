package database

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// after returns what comes after one of a list, and whether it is there.
func after(list []string, one string) ([]string, bool) {
	i := slices.Index(list, one)
	return list[i+1:], i >= 0
}

// relateBranch is for the first step of a branch. As long as the row of the branching is
// in the journal, a start makes all branches anew, and this one is one too many. After
// that its server was killed while it made this branch, so it has begun none that come
// after it: one thread makes them all.
func (db *DB) relateBranch(ctx context.Context, t *StrandedTicket, l *lostData, f *strandedFlow, around *surroundings) error {
	if l.branches(around, f) {
		t.Why, t.strandedPlan = "", strandedPlan{spare: true}
		return nil
	}
	if t.Why != "" {
		return nil
	}
	next := f.charts[l.from].next
	others, ok := after(next, l.to)
	switch kind := f.charts[l.to].kind; {
	case !ok:
		t.Why = whyBranches
		return nil
	case kind == kindSleep && next[0] != l.to:
		t.Why = "it was about to pause, or has"
		return nil
	case kind == kindSleep, kind == kindSubflow, kind == kindEnd:
		// It looks like that later on, too, when others may have been begun.
		later, err := db.laterRows(ctx, *t, t.DataID)
		if err != nil {
			return err
		}
		if len(later) > 0 && len(others) > 0 {
			// They are of the next branch, if this is the first: else they may be of one before.
			if len(others) > 1 || next[0] != l.to {
				t.Why = whyBranches
			}
			return nil
		}
	}
	if len(others) == 0 {
		return nil
	}
	if t.branches, ok = l.begin(f, l.number("async_main_ticket_id"), l.from, l.text("collection_uuid"), others); !ok {
		t.Why = whyBranches
	}
	return nil
}

// branching is the queue_id of the row of the branching that the ticket has come from.
func (l *lostData) branching() string {
	return l.flow + strconv.FormatInt(l.number("async_main_ticket_id"), 10) + l.from
}

// branches reports whether that row is in the journal.
func (l *lostData) branches(around *surroundings, f *strandedFlow) bool {
	_, ok := around.queued[l.branching()]
	return ok && l.has["async_main_ticket_id"] && f.charts[l.from].kind == kindAsync
}

// unbegun returns tickets whose server was killed after it had begun one branch, and
// before it began those that come after it. Their rows are made one after the other, and
// this one's is the newest. It is at its first step: in the journal, or at a form.
func (db *DB) unbegun(ctx context.Context, running, ended runningTickets) (found []StrandedTicket, err error) {
	for _, all := range []runningTickets{running, ended} {
		for _, f := range all.order {
			for _, row := range all.rows[f.uuid] {
				if !row.branch || !row.recent {
					continue
				}
				t, ok, err := db.unbegunBranches(ctx, f, row, all)
				if err != nil {
					return nil, err
				}
				if ok {
					found = append(found, t)
				}
			}
		}
	}
	return found, nil
}

func (db *DB) unbegunBranches(ctx context.Context, f *strandedFlow, row strandedRow, all runningTickets) (t StrandedTicket, ok bool, err error) {
	t = StrandedTicket{Flow: f.uuid, Name: f.name, DataNo: row.no, DataID: row.id, proof: proofBranch}
	if all.proof == proofPast {
		t.proof = proofForm
	}
	held, err := db.proved(ctx, f.uuid, t.proof, []strandedRow{row}, nil)
	own, ok := held[row.id]
	if err != nil || !ok {
		return t, false, err
	}
	t.param = own.param
	l, ok := readLost(t.param)
	engaged := all.flows[l.flow]
	if !ok || engaged == nil || l.table != t.Flow || l.dataNo != t.DataNo {
		return t, false, nil
	}
	if err := db.readCharts(ctx, engaged); err != nil {
		return t, false, err
	}
	others, ok := after(engaged.charts[l.from].next, l.to)
	if !ok || len(others) == 0 || engaged.charts[l.from].kind != kindAsync {
		return t, false, nil
	}
	queued := all.around.queued
	if t.proof == proofBranch {
		_, ok = queued[l.flow+strconv.FormatInt(l.dataID, 10)+l.to]
		ok = ok && l.dataID == t.DataID
	} else {
		var later []string
		later, err = db.laterRows(ctx, t, l.dataID)
		ok = err == nil && len(later) == 0 && engaged.charts[l.to].kind == kindForm && l.number("ex_data_id") == l.dataID
		if _, is := queued[l.branching()]; is {
			t.passed = l.branching()
		}
	}
	if !ok {
		return t, false, err
	}
	if t.branches, ok = l.begin(engaged, l.number("async_main_ticket_id"), l.from, l.text("collection_uuid"), others); !ok {
		t.Why = whyBranches
	}
	_, begun := queued[t.branches[0].queueID]
	return t, !begun, nil
}

// relateCopy is for a row that a branching has made and not changed yet. If its server had
// begun other branches, this one is begun again, and those that come after it.
func (db *DB) relateCopy(ctx context.Context, t *StrandedTicket, l *lostData, f *strandedFlow, around *surroundings) error {
	if _, ok := around.queued[l.flow+strconv.FormatInt(l.dataID, 10)+l.to]; ok {
		t.Why, t.strandedPlan = "", strandedPlan{spare: true}
		return nil
	}
	main, err := db.ticketRow(ctx, t.Flow, l.dataID)
	if err != nil {
		return err
	}
	if !main.history || main.failed || main.param != t.param {
		return nil
	}
	later, err := db.laterRows(ctx, *t, l.dataID)
	if err != nil {
		return err
	}
	next := f.charts[l.to].next
	mark, begun := branchesBegun(later)
	if len(next) == 2 && mark != "" {
		begun = 1 // whatever became of it since
	}
	if mark == "" || begun <= 0 || begun >= len(next) {
		return nil
	}
	if rows, ok := l.begin(f, l.dataID, l.to, mark, next[begun:]); ok {
		t.Why, t.strandedPlan = "", strandedPlan{branches: rows, spare: true}
	}
	return nil
}

// branchesBegun makes out of what a ticket's rows hold how many of its branches they are,
// 0 if that can't be told, and the mark that they have in common, "" if they have none.
func branchesBegun(params []string) (mark string, n int) {
	rows := map[int64]bool{}
	copies := false
	for _, param := range params {
		l, _ := readLost(param)
		m := l.text("collection_uuid")
		if m == "" || mark != "" && m != mark {
			return "", 0
		}
		mark = m
		// A form and an error make a second row, which has the number of the first.
		copies = copies || rows[l.dataID] || l.has["ex_data_id"]
		rows[l.dataID] = true
	}
	if copies {
		return mark, 0
	}
	return mark, len(rows)
}

// relateGathered is for the row in which branches have met. The last steps of these may be
// in the journal still, and would let them meet again.
func (db *DB) relateGathered(ctx context.Context, t *StrandedTicket, l *lostData, around *surroundings) error {
	var passed []string
	for queue, s := range around.queued {
		if s.Flow != t.Flow || s.DataNo != t.DataNo || s.DataID >= t.DataID {
			continue
		}
		row, err := db.ticketRow(ctx, t.Flow, s.DataID)
		if err != nil {
			return err
		}
		branch, ok := readLost(row.param)
		if ok && row.history && !row.failed && branch.to == l.to && branch.has["collection_uuid"] {
			passed = append(passed, queue)
		}
	}
	if len(passed) > 0 {
		slices.Sort(passed)
		t.passed = strings.Join(passed, " ")
	}
	return nil
}
