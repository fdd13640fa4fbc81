package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// counted counts the statements that a driver is given.
type counted struct {
	driver.Connector
	n *atomic.Int64
}

func (c counted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return countedConn{conn, c.n}, nil
}

type countedConn struct {
	driver.Conn
	n *atomic.Int64
}

func (c countedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	q, ok := c.Conn.(driver.QueryerContext)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	c.n.Add(1)
	return q.QueryContext(ctx, query, args)
}

// manyRunning is how many tickets testManyUnfinished has running: more than two batches.
const manyRunning = 250

// testManyUnfinished looks at many tickets that run, of which the journal and pauses name some
// behind what is read of each row's beginning: what is found of them together is what is
// found of each alone, and takes few statements.
func testManyUnfinished(w strandedWorld) {
	t, db := w.t, w.db
	t.Helper()
	for _, table := range []string{"omflow_queuedata", "omflow_scheduler", "omformmodel_omdata_" + endedFlow} {
		w.exec("DELETE FROM %s", table)
	}
	after := func(chars int) string {
		return `{"x": "` + strings.Repeat("x", chars) + `", "table_uuid": "` + endedFlow + `", `
	}
	behind, paused := after(maxStepHead), after(maxParamHead)
	var all, want []int64
	for i := range manyRunning {
		id := 1 + i
		if first := manyRunning - 100; i >= first {
			id = 100*(1+i-first) + 99 // which begins like another, and may not be named like it
		}
		all = append(all, int64(id))
		w.runs(id, "FITEM_1", "FITEM_3")
		switch i % 14 {
		case 1:
			w.journal(behind + fmt.Sprintf(`"data_id": %d, "y": 1}`, id))
		case 2:
			w.journal(behind + fmt.Sprintf(`"data_id": %d}`, id))
		case 3:
			w.journal(behind + fmt.Sprintf(`"data_id": "%d"}`, id))
		case 4:
			w.exec("INSERT INTO omflow_scheduler (cycle, is_active, input_param) VALUES ('Once', %s, %s)", w.yes, w.text(paused+fmt.Sprintf(`"data_id": %d}`, id)))
		case 5: // of another flow
			w.journal(strings.Replace(behind, endedFlow, otherFlow, 1) + fmt.Sprintf(`"data_id": %d}`, id))
			want = append(want, int64(id))
		default:
			want = append(want, int64(id))
		}
	}
	var statements atomic.Int64
	many := &DB{target: db.target, dialect: db.dialect, driver: db.driver, pool: sql.OpenDB(counted{db.driver, &statements})}
	defer many.pool.Close()
	u, err := many.Unfinished(t.Context(), MaxJournalRows)
	if err != nil || u.More || len(u.Between) != manyRunning {
		t.Fatalf("%d are between two steps, or have moved on, more %v, %v", len(u.Between), u.More, err)
	}
	var still []int64
	for _, b := range u.Between {
		if b.State != "moves" {
			still = append(still, b.Row)
		}
	}
	slices.Sort(still)
	slices.Sort(want)
	if !slices.Equal(still, want) {
		t.Errorf("between two steps are %v, want %v", still, want)
	}
	// The flows, the tickets that run, the journal and its heads, the pauses, three of tickets,
	// the flow's design, and the journal again.
	if n := statements.Load(); n > 10 {
		t.Errorf("%d statements, want at most 10", n)
	}
	for _, id := range all {
		row := strandedRow{id: id}
		held, err := db.proved(t.Context(), endedFlow, proofRuns, []strandedRow{row}, nil)
		if _, is := held[row.id]; err != nil || is != slices.Contains(want, row.id) {
			t.Errorf("row %d alone: %v, %v", row.id, is, err)
		}
	}
}
