//go:build linux

package harness

import (
	"context"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/dbprocess"
)

// newDatabase finds out where the database will be, and makes it if it is a real one.
func (c *Cluster) newDatabase(t testing.TB) {
	t.Helper()
	if !c.Config.Postgres {
		c.databaseAddress, c.postgresAddress = FreeAddress(t), FreeAddress(t)
		return
	}
	port := netip.MustParseAddrPort(FreeAddress(t)).Port() // it stays free while the database is down
	s, err := dbprocess.Postgres(dbprocess.Config{Trust: true, Port: int(port)})
	dbprocess.Need(t, "PostgreSQL 15", err)
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	})
	c.Postgres, c.postgresAddress = s, s.Address()
	c.databaseAddress = "postgres://" + database.PostgresRole + "@" + s.Address() + "/" + database.PostgresName + "?sslmode=disable"
	ctx := context.Background()
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.PostgresDo(ctx, "CREATE ROLE "+database.PostgresRole+" LOGIN",
		"CREATE DATABASE "+database.PostgresName+" OWNER "+database.PostgresRole); err != nil {
		t.Fatal(err)
	}
	if err := database.Migrate(ctx, c.databaseAddress); err != nil {
		t.Fatal(err)
	}
	s.Stop(dbprocess.Fast)
}

// StartDatabase starts the database, also once more after it was stopped: what it
// held is in a file.
func (c *Cluster) StartDatabase(t testing.TB) {
	t.Helper()
	if c.Postgres != nil {
		if err := c.Postgres.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		return
	}
	c.Database = StartProcess(t, c.Config.Program, c.Dir, "database", "omflow", "stand-in", "database",
		"--listen", c.databaseAddress, "--postgres", c.postgresAddress, "--file", filepath.Join(c.Dir, "database.json"))
}

// StopDatabase stops the database as an operator does: connections are cut, and what it
// holds is kept.
func (c *Cluster) StopDatabase(t testing.TB) {
	t.Helper()
	switch {
	case c.Postgres != nil:
		c.Postgres.Stop(dbprocess.Fast)
	case c.Database != nil:
		c.Database.Stop(t)
	}
}
