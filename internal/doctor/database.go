package doctor

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/omflow/booster/internal/database"
)

// databaseTimeout bounds the checks of a database that is far away or busy.
const databaseTimeout = 30 * time.Second

// Database checks that the OMFLOW Servers' database can be used, and is theirs.
type Database struct {
	// Target says where it is; it should find out once. Required.
	Target func(context.Context) (database.Target, error)
	// Secrets learns the password. Required.
	Secrets *Secrets
	// Open prepares access to it. Default: database.Open.
	Open func(database.Target) (Base, error)
}

// Base is what is asked of a database; *database.DB is one.
type Base interface {
	Check(context.Context) database.Report
	Journal(ctx context.Context, limit int) (database.Journal, error)
	Close() error
}

// Checks returns the checks.
func (d Database) Checks() []Check {
	return []Check{
		{Name: "database", Timeout: databaseTimeout, Run: d.rights},
		{Name: "OMFLOW's tables", Timeout: databaseTimeout, Run: d.tables},
	}
}

// open prepares access.
func (d Database) open(ctx context.Context) (Base, error) {
	target, err := d.Target(ctx)
	if err != nil {
		return nil, err
	}
	d.Secrets.Add(target.Password)
	if d.Open != nil {
		return d.Open(target)
	}
	return database.Open(target)
}

// rights does in the database what OMFLOW does.
func (d Database) rights(ctx context.Context) Result {
	db, err := d.open(ctx)
	if err != nil {
		return failed("%v", err).advise("write `database` with its URL, or put DATABASES right in settings.py")
	}
	defer db.Close() // reports nothing that a person could mend
	report := db.Check(ctx)
	step := report.Failed()
	if step == nil {
		version, _, _ := strings.Cut(report.Version, " on ") // PostgreSQL goes on with its compiler
		return ok("%s, %s: all rights are there", report.Target, version)
	}
	r := failed("%s: %s: %v", report.Target, step.Name, step.Err)
	advice := []string{step.Missing}
	if step.Grant != "" {
		advice = append(advice, "have an administrator run: "+step.Grant)
	}
	if step.GrantAll != "" {
		advice = append(advice, "or, for all that OMFLOW needs at once: "+step.GrantAll)
	}
	if report.Left != "" {
		advice = append(advice, "and drop the table "+report.Left)
	}
	return r.advise("%s", strings.Join(advice, "; "))
}

// tables looks for OMFLOW's own.
func (d Database) tables(ctx context.Context) Result {
	db, err := d.open(ctx)
	if err != nil {
		return skipped("it is not known where the database is: %v", err)
	}
	defer db.Close()
	journal, err := db.Journal(ctx, 1)
	switch {
	case errors.Is(err, database.ErrNoJournal):
		return failed("there are none, or this user may not see them").
			advise("run `python manage.py migrate` once, on the first OMFLOW Server; is it the right database?")
	case err != nil:
		return skipped("%v", err)
	case journal.Count > 0:
		return ok("they are there; %d steps of flows are queued or run", journal.Count)
	}
	return ok("they are there")
}
