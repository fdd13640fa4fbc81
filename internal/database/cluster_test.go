package database

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/omflow/booster/internal/testbed/dbprocess"
	"github.com/omflow/booster/internal/testbed/ports"
)

// cluster is a real database server that belongs to these tests.
type cluster struct {
	*dbprocess.Server
	admin  Target    // signs in over the socket as the administrator
	signal os.Signal // ends it at once, cutting connections
}

// clusters are started by the first test that needs them and shared by all.
var clusters struct {
	sync.Mutex
	running []*cluster
}

func stopClusters() error {
	clusters.Lock()
	defer clusters.Unlock()
	var errs []error
	for _, c := range clusters.running {
		c.stop()
		errs = append(errs, c.Remove())
	}
	return errors.Join(errs...)
}

// keep has the server removed when the tests are over, and starts it.
func (c *cluster) keep() (*cluster, error) {
	clusters.Lock()
	defer clusters.Unlock()
	clusters.running = append(clusters.running, c)
	return c, c.up()
}

func (c *cluster) up() error { return c.Start(context.Background()) }

func (c *cluster) stop() { c.Stop(c.signal) }

// do runs statements as the administrator, in the named database.
func (c *cluster) do(t *testing.T, name string, statements ...string) {
	t.Helper()
	target := c.admin
	target.Name = name
	db, err := Open(target)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.pool.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// tables returns the names of scratch tables in the named database.
func (c *cluster) tables(t *testing.T, name string) (found []string) {
	t.Helper()
	target := c.admin
	target.Name = name
	db, err := Open(target)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.pool.Query(`SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'omflow_check_%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		found = append(found, table)
	}
	return found
}

var startPostgres = sync.OnceValues(func() (*cluster, error) {
	s, err := dbprocess.Postgres(dbprocess.Config{})
	if err != nil {
		return nil, err
	}
	c := &cluster{Server: s, signal: dbprocess.Immediate}
	c.admin = Target{
		Engine: Postgres, Host: s.Dir(), Port: s.Port(), Name: "postgres", User: dbprocess.PostgresAdmin,
		Options: map[string]string{"sslmode": "disable"},
	}
	return c.keep()
})

var startMariaDB = sync.OnceValues(func() (*cluster, error) {
	s, err := dbprocess.MariaDB(dbprocess.Config{})
	if err != nil {
		return nil, err
	}
	c := &cluster{Server: s, signal: os.Kill, admin: Target{Engine: MySQL, Host: s.Socket(), Port: s.Port(), Name: "mysql", User: "root"}}
	if err := writeCertificates(s.Dir()); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	s.Options("--ssl-ca="+s.Dir()+"/ca.pem", "--ssl-cert="+s.Dir()+"/server.pem", "--ssl-key="+s.Dir()+"/server.key")
	return c.keep()
})

// need returns a running cluster, or skips the test where there is none.
func need(t *testing.T, what string, start func() (*cluster, error)) *cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("real databases are not started in short mode")
	}
	c, err := start()
	dbprocess.Need(t, what, err)
	return c
}

func freePort() int {
	port, err := ports.Free()
	if err != nil {
		panic(err)
	}
	return port
}
