package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/database"
)

// base is a database that answers as it is told.
type base struct {
	report  database.Report
	journal database.Journal
	err     error
}

func (b base) Check(context.Context) database.Report                  { return b.report }
func (b base) Journal(context.Context, int) (database.Journal, error) { return b.journal, b.err }
func (base) Close() error                                             { return nil }
func (b base) open(target database.Target) (Base, error)              { return b, nil }
func at(text string) func(context.Context) (database.Target, error) {
	return func(context.Context) (database.Target, error) { return database.ParseURL(text) }
}

func TestDatabase(t *testing.T) {
	const url = "postgres://om:s3cr3t-w0rd@db/omflow"
	denied := database.Step{Name: database.StepCreate, Err: errors.New("permission denied for schema public (s3cr3t-w0rd)"), Missing: "a right", Grant: "GRANT CREATE"}
	deniedOne := denied
	deniedOne.GrantAll = "GRANT CREATE, SELECT"
	for name, tt := range map[string]struct {
		url            string
		base           base
		rights, tables verdict
	}{
		"well": {
			url, base{report: database.Report{Target: "postgres://om:***@db:5432/omflow", Version: "PostgreSQL 15.2 on x86_64, compiled by gcc"}},
			good("postgres://om:***@db:5432/omflow, PostgreSQL 15.2: all rights"), good("they are there"),
		},
		"busy":      {url, base{journal: database.Journal{Count: 3}}, good(), good("3 steps of flows")},
		"no tables": {url, base{err: database.ErrNoJournal}, good(), ill("there are none", "migrate")},
		"lacks": {
			url, base{report: database.Report{Target: "x", Steps: []database.Step{{Name: database.StepReach}, denied}, Left: "omflow_check_1"}, err: errors.New("away")},
			ill("x: create table: permission denied", "a right; have an administrator run: GRANT CREATE; and drop the table omflow_check_1"), unknown("away"),
		},
		"lacks more": {
			url, base{report: database.Report{Steps: []database.Step{deniedOne}}},
			ill("a right; have an administrator run: GRANT CREATE; or, for all that OMFLOW needs at once: GRANT CREATE, SELECT"), good(),
		},
		"no grant helps": {
			url, base{report: database.Report{Steps: []database.Step{{Name: database.StepReach, Err: errors.New("refused"), Missing: "nothing answers"}}}},
			ill("refused", "nothing answers"), good(),
		},
		"SQLite": {"sqlite:///db.omflow", base{}, ill("SQLite", "DATABASES"), unknown("not known where the database is")},
	} {
		t.Run(name, func(t *testing.T) {
			secrets := new(Secrets)
			checks := Database{Target: at(tt.url), Secrets: secrets, Open: tt.base.open}.Checks()
			tt.rights.hold(t, "database", result(t, checks, "database"))
			tt.tables.hold(t, "OMFLOW's tables", result(t, checks, "OMFLOW's tables"))
			for o := range Run(t.Context(), checks, secrets) {
				if strings.Contains(o.Detail+o.Advice, "s3cr3t") {
					t.Errorf("the password shows: %s → %s", o.Detail, o.Advice)
				}
			}
		})
	}
}

// TestNoDatabase: nobody listens there.
func TestNoDatabase(t *testing.T) {
	checks := Database{Target: at("postgres://om@127.0.0.1:1/omflow"), Secrets: new(Secrets)}.Checks()
	ill("reach", "nothing answers at 127.0.0.1:1").hold(t, "database", result(t, checks, "database"))
	unknown("read the flow queue").hold(t, "OMFLOW's tables", result(t, checks, "OMFLOW's tables"))
}
