//go:build unix

package doctor

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/internal/database"
)

// programs finds PostgreSQL's own, which are not in PATH on Debian.
func programs(t *testing.T, names ...string) (paths []string) {
	t.Helper()
	for _, name := range names {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
		if path, err := exec.LookPath(name); err == nil {
			found = append(found, path)
		}
		if len(found) == 0 {
			t.Skipf("there is no %s here", name)
		}
		paths = append(paths, found[0])
	}
	return paths
}

// startPostgres starts a database server of this test's own and returns a function that
// makes a target of a user and a database.
func startPostgres(t *testing.T) func(name, password, database string) database.Target {
	t.Helper()
	found := programs(t, "initdb", "postgres")
	dir, err := os.MkdirTemp("", "omflow-doctor-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attributes := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // under which PostgreSQL refuses to run
		owner, err := user.Lookup("postgres")
		if err != nil {
			t.Skipf("there is nobody to run it: %v", err)
		}
		uid, _ := strconv.Atoi(owner.Uid)
		gid, _ := strconv.Atoi(owner.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	data := filepath.Join(dir, "data")
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("admin-s3cr3t\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	initialize := exec.Command(found[0], "-D", data, "-A", "scram-sha-256", "-U", "admin", "--no-sync", "--pwfile="+password)
	initialize.SysProcAttr, initialize.Dir = attributes, dir
	if out, err := initialize.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	server := exec.Command(found[1], "-D", data, "-h", host, "-p", port, "-k", "", "-F")
	server.SysProcAttr, server.Dir = attributes, dir
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGQUIT) // at once
		server.Wait()
	})
	target := func(name, password, base string) database.Target {
		u := url.URL{Scheme: "postgres", User: url.UserPassword(name, password), Host: net.JoinHostPort(host, port), Path: base, RawQuery: "sslmode=disable"}
		parsed, err := database.ParseURL(u.String())
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	db, err := database.Open(target("admin", "admin-s3cr3t", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(30 * time.Second); ; {
		err := db.Ping(t.Context())
		if err == nil {
			return target
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestPostgres: the verdicts on a real database, and no password in them.
func TestPostgres(t *testing.T) {
	target := startPostgres(t)
	for name, tt := range map[string]struct {
		database.Target
		rights, tables verdict
	}{
		"well":           {target("admin", "admin-s3cr3t", "postgres"), good("all rights are there"), ill("there are none", "migrate")},
		"wrong password": {target("admin", "wr0ng-s3cr3t", "postgres"), ill("sign in", "must exist with this password", "ALTER ROLE"), unknown()},
		"no database":    {target("admin", "admin-s3cr3t", "omflow"), ill("sign in", `CREATE DATABASE`), unknown()},
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
