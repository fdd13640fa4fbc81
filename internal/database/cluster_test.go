package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cluster is a real database server that belongs to these tests.
type cluster struct {
	dir    string
	port   int
	admin  Target // signs in over the socket as the administrator
	start  func() *exec.Cmd
	signal os.Signal // ends it at once, cutting connections
	cmd    *exec.Cmd
	exited chan struct{}
}

// clusters are started by the first test that needs them and shared by all.
var clusters struct {
	sync.Mutex
	running []*cluster
}

func stopClusters() {
	clusters.Lock()
	defer clusters.Unlock()
	for _, c := range clusters.running {
		c.stop()
		os.RemoveAll(c.dir)
	}
}

// newCluster makes a folder that belongs to the user, when this is root: no
// database server runs as root.
func newCluster(user string) (*cluster, error) {
	dir, err := os.MkdirTemp("", "omflow-db-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, port: freePort()}
	clusters.Lock()
	defer clusters.Unlock()
	clusters.running = append(clusters.running, c)
	return c, giveTo(dir, user)
}

func (c *cluster) up() error {
	c.cmd, c.exited = c.start(), make(chan struct{})
	if err := c.cmd.Start(); err != nil {
		c.cmd = nil
		return fmt.Errorf("start %s: %w", c.cmd, err)
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		cmd.Wait() // killed or not, it is gone
		close(exited)
	}(c.cmd, c.exited)
	db, err := Open(c.admin)
	if err != nil {
		return err
	}
	defer db.Close()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = db.Ping(context.Background()); err == nil {
			return nil
		}
		select {
		case <-c.exited:
			log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("it ended at once: %s", log)
		default:
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

func (c *cluster) stop() {
	if c.cmd == nil {
		return
	}
	c.cmd.Process.Signal(c.signal) // fails only when it is gone
	select {
	case <-c.exited:
	case <-time.After(10 * time.Second):
		c.cmd.Process.Kill()
		<-c.exited
	}
	c.cmd = nil
}

// command is one that writes to the cluster's log.
func (c *cluster) command(user, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	if log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err == nil {
		cmd.Stdout, cmd.Stderr = log, log
	}
	runAs(cmd, user)
	return cmd
}

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

const (
	postgresBin  = "/usr/lib/postgresql/15/bin"
	postgresUser = "postgres"
	mariadbUser  = "mysql"
)

var startPostgres = sync.OnceValues(func() (*cluster, error) {
	if _, err := os.Stat(postgresBin); err != nil {
		return nil, errMissing
	}
	c, err := newCluster(postgresUser)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(c.dir, "data")
	if err := c.command(postgresUser, filepath.Join(postgresBin, "initdb"), "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync").Run(); err != nil {
		return nil, fmt.Errorf("initdb: %w", err)
	}
	c.admin = Target{Engine: Postgres, Host: c.dir, Port: c.port, Name: "postgres", User: "postgres", Options: map[string]string{"sslmode": "disable"}}
	c.signal = syscall.SIGQUIT // "immediate"
	c.start = func() *exec.Cmd {
		return c.command(postgresUser, filepath.Join(postgresBin, "postgres"), "-D", data, "-p", strconv.Itoa(c.port), "-k", c.dir,
			"-c", "listen_addresses=127.0.0.1", "-c", "log_line_prefix=",
			"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "shared_buffers=16MB")
	}
	return c, c.up()
})

var startMariaDB = sync.OnceValues(func() (*cluster, error) {
	server, err1 := exec.LookPath("mariadbd")
	install, err2 := exec.LookPath("mariadb-install-db")
	if err1 != nil || err2 != nil {
		return nil, errMissing
	}
	c, err := newCluster(mariadbUser)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(c.dir, "data")
	if err := c.command(mariadbUser, install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db").Run(); err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w", err)
	}
	if err := writeCertificates(c.dir); err != nil {
		return nil, err
	}
	socket := filepath.Join(c.dir, "socket")
	c.admin = Target{Engine: MySQL, Host: socket, Port: c.port, Name: "mysql", User: "root"}
	c.signal = syscall.SIGKILL
	c.start = func() *exec.Cmd {
		return c.command(mariadbUser, server, "--no-defaults", "--datadir="+data, "--socket="+socket, "--port="+strconv.Itoa(c.port),
			"--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", "--performance-schema=OFF", "--character-set-server=utf8mb4",
			"--ssl-ca="+filepath.Join(c.dir, "ca.pem"), "--ssl-cert="+filepath.Join(c.dir, "server.pem"), "--ssl-key="+filepath.Join(c.dir, "server.key"))
	}
	return c, c.up()
})

var errMissing = errors.New("not installed")

// requiredEnv, set to anything, makes a database that is not installed a failure.
const requiredEnv = "OMFLOW_TEST_DATABASES"

// need returns a running cluster, or skips the test where there is none.
func need(t *testing.T, what string, start func() (*cluster, error)) *cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("real databases are not started in short mode")
	}
	c, err := start()
	if errors.Is(err, errMissing) && os.Getenv(requiredEnv) == "" {
		t.Skipf("%s is not installed here", what)
	}
	if err != nil {
		t.Fatalf("start %s: %v", what, err)
	}
	return c
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
