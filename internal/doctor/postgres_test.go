//go:build unix

package doctor

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/testbed/dbprocess"
)

// startPostgres starts a database server of this test's own, whose user "checker" has a
// password, and returns a function that makes a target of a password and a database.
func startPostgres(t *testing.T, password string) func(password, database string) database.Target {
	t.Helper()
	server, err := dbprocess.Postgres(dbprocess.Config{})
	dbprocess.Need(t, "PostgreSQL", err)
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.PostgresDo(t.Context(), "CREATE ROLE checker SUPERUSER LOGIN PASSWORD '"+password+"'"); err != nil {
		t.Fatal(err)
	}
	return func(password, base string) database.Target {
		u := url.URL{Scheme: "postgres", User: url.UserPassword("checker", password), Host: server.Address(), Path: base, RawQuery: "sslmode=disable"}
		target, err := database.ParseURL(u.String())
		if err != nil {
			t.Fatal(err)
		}
		return target
	}
}

// TestPostgres: the verdicts on a real database, and no password in them.
func TestPostgres(t *testing.T) {
	target := startPostgres(t, "admin-s3cr3t")
	for name, tt := range map[string]struct {
		database.Target
		rights, tables verdict
	}{
		"well":           {target("admin-s3cr3t", "postgres"), good("all rights are there"), ill("there are none", "migrate")},
		"wrong password": {target("wr0ng-s3cr3t", "postgres"), ill("sign in", "must exist with this password", "ALTER ROLE"), unknown()},
		"no database":    {target("admin-s3cr3t", "omflow"), ill("sign in", `CREATE DATABASE`), unknown()},
	} {
		secrets := new(Secrets)
		checks := Database{Target: func(context.Context) (database.Target, error) { return tt.Target, nil }, Secrets: secrets}.Checks()
		for o := range Run(t.Context(), checks, secrets) {
			want := tt.rights
			if o.Name != "database" {
				want = tt.tables
			}
			want.hold(t, name+": "+o.Name, o.Result)
			if strings.Contains(o.Detail+o.Advice, "s3cr3t") {
				t.Errorf("the password shows: %s → %s", o.Detail, o.Advice)
			}
		}
	}
}
