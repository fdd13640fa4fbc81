package database

import (
	"fmt"
	"slices"
	"strings"
)

// relatedWorld has tickets that lead to others: branches, and those that open others.
type relatedWorld struct{ strandedWorld }

const branchMark = `, "collection_uuid": "u1"`

// put adds a row of a ticket. what is one of runs, past, open and closed.
func (w relatedWorld) put(id, no int, what, param string) {
	w.t.Helper()
	flags := map[string][3]string{"runs": {w.yes, w.no, w.no}, "past": {w.no, w.yes, w.no}, "open": {w.no, w.no, w.no}, "closed": {w.no, w.no, w.yes}}[what]
	w.exec("INSERT INTO omformmodel_omdata_%s (id, data_no, running, history, closed, createtime, updatetime, init_data_id, data_param) VALUES (%d, %d, %s, %s, %s, %s, %s, %d, %s)",
		endedFlow, id, no, flags[0], flags[1], flags[2], w.at, w.at, id, w.text(param))
}

// queue adds a row of the journal, of a ticket's row at a chart.
func (w relatedWorld) queue(id, no int, chart string) {
	w.t.Helper()
	w.exec("INSERT INTO omflow_queuedata (queue_id, name, input_param, module_name, method_name) VALUES ('%s', 'FormFlow', %s, 'm', 'main')",
		fmt.Sprint(endedFlow, id, chart), w.text(lost(endedFlow, `"`+chart+`"`, "", fmt.Sprint(no), fmt.Sprint(id), "")))
}

func at(id, no int, from, to, more string) string {
	return lost(endedFlow, `"`+from+`"`, to, fmt.Sprint(no), fmt.Sprint(id), more)
}

// branchOf is a row at the first step of a branch of another.
func branchOf(main, id int, fork, to, more string) string {
	return at(id, main, fork, to, branchMark+fmt.Sprintf(`, "async_main_ticket_id": %d`, main)+more)
}

// openedBy is what a ticket is opened with whose opener is at FITEM_12.
func openedBy(id int) string {
	return lost(endedFlow, "null", "FITEM_1", "null", "null", `, "formdata": {"title": "t"}, "outflow_content": `+at(id, id, "FITEM_3", "FITEM_12", ""))
}

func (w relatedWorld) fill() {
	fork := func(main int, chart string) { w.put(main, main, "past", at(main, main, "FITEM_1", chart, "")) }
	fork(100, "FITEM_10") // the first branch was made, and the row of the branching deleted
	w.put(101, 100, "runs", branchOf(100, 101, "FITEM_10", "FITEM_3", ""))
	fork(110, "FITEM_10") // not deleted
	w.put(111, 110, "runs", branchOf(110, 111, "FITEM_10", "FITEM_3", ""))
	w.queue(110, 110, "FITEM_10")
	fork(120, "FITEM_10") // not deleted, and the branch is a copy
	w.put(121, 120, "runs", at(120, 120, "FITEM_1", "FITEM_10", ""))
	w.queue(120, 120, "FITEM_10")
	fork(130, "FITEM_10") // the second branch is a copy
	w.put(131, 130, "runs", at(131, 130, "FITEM_3", "FITEM_4", branchMark))
	w.queue(131, 130, "FITEM_4")
	w.put(132, 130, "runs", at(130, 130, "FITEM_1", "FITEM_10", ""))
	fork(140, "FITEM_10") // branches have met
	w.put(141, 140, "past", at(141, 140, "FITEM_3", "FITEM_18", branchMark))
	w.put(142, 140, "past", at(142, 140, "FITEM_4", "FITEM_18", branchMark))
	w.queue(142, 140, "FITEM_4")
	w.put(143, 140, "runs", strings.NewReplacer(`"`, `'`, "true", "True", `\u958b`, "開").Replace(at(141, 140, "FITEM_3", "FITEM_18", "")))
	fork(150, "FITEM_10") // the row of the branching was not written
	fork(160, "FITEM_21") // the first of three branches is at its form
	w.put(161, 160, "past", branchOf(160, 161, "FITEM_21", "FITEM_2", ""))
	w.put(162, 160, "open", branchOf(160, 161, "FITEM_21", "FITEM_2", `, "ex_data_id": 161`))
	w.queue(160, 160, "FITEM_21")
	fork(170, "FITEM_10") // the first branch is queued, the second was not made
	w.put(171, 170, "runs", branchOf(170, 171, "FITEM_10", "FITEM_3", ""))
	w.queue(171, 170, "FITEM_3")
	w.put(180, 180, "runs", at(180, 180, "FITEM_3", "FITEM_12", "")) // opens a ticket
	w.put(181, 181, "runs", openedBy(180))
	w.queue(180, 180, "FITEM_3")
	w.put(190, 190, "runs", at(190, 190, "FITEM_3", "FITEM_12", "")) // its ticket has closed
	w.put(191, 191, "closed", strings.Replace(at(191, 191, "FITEM_6", "", openerOnly(openedBy(190))), `"FITEM_3"`, "null", 1))
	w.put(200, 200, "runs", at(200, 200, "FITEM_1", "FITEM_5", "")) // has gone on
	w.put(201, 201, "runs", openedBy(200))
	// What is as it is to be.
	fork(210, "FITEM_10")
	w.put(211, 210, "runs", branchOf(210, 211, "FITEM_10", "FITEM_3", ""))
	w.queue(211, 210, "FITEM_3")
	w.put(212, 210, "open", branchOf(210, 212, "FITEM_10", "FITEM_2", `, "ex_data_id": 212`))
	fork(220, "FITEM_21")
	w.put(221, 220, "past", branchOf(220, 221, "FITEM_21", "FITEM_2", ""))
	w.queue(220, 220, "FITEM_21")
	w.put(230, 230, "runs", at(230, 230, "FITEM_3", "FITEM_12", "")) // waits for 232
	w.put(231, 231, "closed", at(231, 231, "FITEM_6", "", openerOnly(openedBy(230))))
	w.put(232, 232, "open", at(232, 232, "FITEM_1", "FITEM_2", openerOnly(openedBy(230))))
	fork(270, "FITEM_21") // of three branches the third is a copy
	w.put(271, 270, "runs", at(271, 270, "FITEM_3", "FITEM_4", branchMark))
	w.queue(271, 270, "FITEM_4")
	w.put(272, 270, "past", at(272, 270, "FITEM_3", "FITEM_18", branchMark))
	w.put(273, 270, "runs", at(270, 270, "FITEM_1", "FITEM_21", ""))
	fork(280, "FITEM_21") // of three branches the second or the third is a copy
	w.put(281, 280, "past", branchOf(280, 281, "FITEM_21", "FITEM_2", ""))
	w.put(282, 280, "open", branchOf(280, 281, "FITEM_21", "FITEM_2", `, "ex_data_id": 281`))
	w.put(283, 280, "runs", at(280, 280, "FITEM_1", "FITEM_21", ""))
	fork(290, "FITEM_25") // at a flow within its flow, which looks so until that has begun
	w.put(291, 290, "runs", branchOf(290, 291, "FITEM_25", "FITEM_5", ""))
	fork(300, "FITEM_25") // the same, when others were begun
	w.put(301, 300, "runs", branchOf(300, 301, "FITEM_25", "FITEM_5", ""))
	w.put(302, 300, "open", branchOf(300, 302, "FITEM_25", "FITEM_7", ""))
	fork(310, "FITEM_25") // at a pause, that is over or was not begun
	w.put(311, 310, "runs", branchOf(310, 311, "FITEM_25", "FITEM_7", ""))
	w.put(250, 250, "runs", at(250, 250, "FITEM_3", "FITEM_12", "")) // waits for the rest of 251
	w.put(251, 251, "closed", at(251, 251, "FITEM_6", "", openerOnly(openedBy(250))))
	w.put(252, 251, "open", at(252, 251, "FITEM_1", "FITEM_2", openerOnly(openedBy(250))))
	w.put(260, 260, "runs", at(260, 260, "FITEM_3", "FITEM_12", "")) // has opened another since
	w.put(261, 261, "runs", openedBy(260))
	w.put(262, 262, "open", at(262, 262, "FITEM_1", "FITEM_2", openerOnly(openedBy(260))))
	fork(240, "FITEM_21") // its first branch came back to its form after an error
	w.put(241, 240, "past", branchOf(240, 241, "FITEM_21", "FITEM_2", ""))
	w.put(242, 240, "past", branchOf(240, 241, "FITEM_21", "FITEM_2", `, "ex_data_id": 241`))
	w.put(243, 240, "open", branchOf(240, 243, "FITEM_21", "FITEM_3", ""))
	w.put(244, 240, "open", branchOf(240, 241, "FITEM_21", "FITEM_2", `, "ex_data_id": 241`))
}

// openerOnly is the member outflow_content of what a ticket is opened with.
func openerOnly(param string) string {
	return strings.TrimSuffix(param[strings.Index(param, `, "outflow_content"`):], "}")
}

// describe is what restores a ticket, in short.
func describe(t StrandedTicket) string {
	if t.Why != "" {
		return t.Why
	}
	var b strings.Builder
	for _, s := range append(t.branches[:], t.step) {
		if s.method == "" {
			continue
		}
		fmt.Fprintf(&b, "+%s ", strings.ReplaceAll(s.queueID, endedFlow, ""))
		if l, ok := readLost(s.input); ok && l.has["content"] {
			content, _ := readLost(string(l.value("content")))
			fmt.Fprintf(&b, "(%s to %s of %d) ", content.from, content.to, content.dataID)
		}
	}
	for _, queue := range strings.Fields(t.passed) {
		b.WriteString("-" + strings.ReplaceAll(queue, endedFlow, "") + " ")
	}
	if t.spare {
		b.WriteString("spare")
	}
	return strings.TrimSpace(b.String())
}

func testRelated(world strandedWorld) {
	t, db, w := world.t, world.db, relatedWorld{world}
	t.Helper()
	w.exec("DELETE FROM omflow_queuedata")
	w.exec("DELETE FROM omflow_scheduler")
	w.exec("DELETE FROM omformmodel_omdata_%s", endedFlow)
	w.fill()
	w.waits()
	found, err := db.Stranded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]string{
		101: "+100FITEM_6 (FITEM_10 to FITEM_2 of 100) +101None",
		111: "spare",
		121: "spare",
		132: "+130FITEM_6 (FITEM_10 to FITEM_2 of 130) spare",
		143: "+143FITEM_18 -142FITEM_4",
		150: "+150FITEM_10",
		162: "+160FITEM_6 (FITEM_21 to FITEM_3 of 160) +0160FITEM_6 (FITEM_21 to FITEM_4 of 160) -160FITEM_21",
		171: "+170FITEM_6 (FITEM_10 to FITEM_2 of 170)",
		181: "+181FITEM_1 -180FITEM_3",
		190: "+191FITEM_6",
		200: "+200None", // by itself: what it goes on with says nothing of the other
		201: whyOpenerGone,
		261: whyOpenerGone,
		273: "+270FITEM_6 (FITEM_21 to FITEM_4 of 270) spare",
		283: whyBranches,
		291: "+290FITEM_6 (FITEM_25 to FITEM_7 of 290) +0290FITEM_6 (FITEM_25 to FITEM_4 of 290) +291None",
		301: whyBranches,
		311: "it was about to pause, or has",
	}
	for _, f := range found {
		if got := describe(f); got != want[f.DataID] {
			t.Errorf("ticket %d: %q, want %q", f.DataID, got, want[f.DataID])
		}
		delete(want, f.DataID)
	}
	if len(want) != 0 {
		t.Errorf("not found: %v", want)
	}
	if again, err := db.StillStranded(t.Context(), found); err != nil || !slices.Equal(again, found) {
		t.Errorf("a second look differs: %v", err)
	}
	for _, f := range found {
		if f.Why != "" {
			continue
		}
		if ok, err := db.Restore(t.Context(), f); err != nil || !ok {
			t.Errorf("ticket %d: restored %v, %v", f.DataID, ok, err)
		}
		if ok, err := db.Restore(t.Context(), f); err != nil || ok {
			t.Errorf("ticket %d: restored again %v, %v", f.DataID, ok, err)
		}
		for _, queue := range strings.Fields(f.passed) {
			var n int
			if err := db.pool.QueryRow("SELECT COUNT(*) FROM omflow_queuedata WHERE queue_id = '" + queue + "'").Scan(&n); err != nil || n != 0 {
				t.Errorf("ticket %d: %s is in the journal %d times, %v", f.DataID, queue, n, err)
			}
		}
	}
	again, err := db.Stranded(t.Context())
	if err != nil || len(again) != 5 || slices.ContainsFunc(again, func(f StrandedTicket) bool { return f.Why == "" }) {
		t.Errorf("after that: %+v, %v; want those alone that are told", again, err)
	}
	w.rollsBack()
}

// waits looks at the tickets that wait for others: those of which the other one has closed
// are not finished, and are between two steps until their flow goes on.
func (w relatedWorld) waits() {
	w.t.Helper()
	between := func() map[int64]BetweenSteps {
		u, err := w.db.Unfinished(w.t.Context(), 100)
		if err != nil {
			w.t.Fatal(err)
		}
		rows := map[int64]BetweenSteps{}
		for _, b := range u.Between {
			rows[b.Row] = b
		}
		return rows
	}
	now := between()
	if b := now[190]; b.Ticket != (Ticket{endedFlow, 190, 190}) || !b.Unsure || b.State == "" {
		w.t.Errorf("one whose other ticket has closed: %+v", b)
	}
	for _, row := range []int64{180, 230, 250, 260} {
		if b, ok := now[row]; ok {
			w.t.Errorf("one that is in the journal, or waits for an open ticket: %+v", b)
		}
	}
	// Closed in a way that is not the end of a flow: a server may still go on with 190.
	param := at(191, 191, "FITEM_6", "", openerOnly(openedBy(190)))
	w.exec("UPDATE omformmodel_omdata_%s SET data_param = %s WHERE id = 191", endedFlow, w.text(strings.Replace(param, "FITEM_6", "FITEM_1", 1)))
	if b, ok := between()[190]; !ok || !b.Unsure {
		w.t.Errorf("one whose other ticket has closed somehow: %+v", b)
	}
	w.exec("UPDATE omformmodel_omdata_%s SET data_param = %s WHERE id = 191", endedFlow, w.text(strings.Replace(param, `"FITEM_3"`, "null", 1)))
}

// rollsBack has a plan fail at its last statement: nothing of it may stay.
func (w relatedWorld) rollsBack() {
	t, db := w.t, w.db
	w.exec("DELETE FROM omflow_queuedata")
	w.exec("DELETE FROM omformmodel_omdata_%s", endedFlow)
	w.fill()
	found, err := db.Stranded(t.Context())
	i := slices.IndexFunc(found, func(f StrandedTicket) bool { return f.DataID == 132 })
	if err != nil || i < 0 {
		t.Fatalf("%v of %d tickets", err, len(found))
	}
	f := found[i]
	// Its second row mentions the ticket, which is not stranded any more for the third.
	f.branches[1], f.step = f.branches[0], f.branches[0]
	f.branches[1].input = at(132, 130, "FITEM_1", "FITEM_10", "")
	before := w.journaled()
	if ok, err := db.Restore(t.Context(), f); err != nil || ok {
		t.Errorf("restored %v, %v", ok, err)
	}
	if now := w.journaled(); now != before {
		t.Errorf("the journal has %d rows, before %d", now, before)
	}
}

func (w relatedWorld) journaled() (n int) {
	if err := w.db.pool.QueryRow("SELECT COUNT(*) FROM omflow_queuedata").Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}
