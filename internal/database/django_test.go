package database

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestFromDjango(t *testing.T) {
	full := func(engine string) Django {
		return Django{Engine: engine, Name: "omflow", User: "om", Password: "p@s:s", Host: "db"}
	}
	with := func(d Django, change func(*Django)) Django { change(&d); return d }
	for _, test := range []struct {
		name string
		in   Django
		want Target
	}{
		{"postgresql", full("django.db.backends.postgresql"), Target{Engine: Postgres, Host: "db", Port: 5432, Name: "omflow"}},
		{"postgresql_psycopg2, port", with(full("django.db.backends.postgresql_psycopg2"), func(d *Django) { d.Port = " 6432 " }),
			Target{Engine: Postgres, Host: "db", Port: 6432, Name: "omflow"}},
		{"postgis, socket", with(full("django.contrib.gis.db.backends.postgis"), func(d *Django) { d.Host = "/run/postgresql" }),
			Target{Engine: Postgres, Host: "/run/postgresql", Port: 5432, Name: "omflow"}},
		{"pool's backend, options", with(full("dj_db_conn_pool.backends.postgresql"), func(d *Django) {
			d.Options = map[string]any{"sslmode": "verify-full", "sslrootcert": "/ca.pem", "isolation_level": 3.0, "connect_timeout": 5.0}
		}), Target{Engine: Postgres, Host: "db", Port: 5432, Name: "omflow",
			Options: map[string]string{"sslmode": "verify-full", "sslrootcert": "/ca.pem"}, Ignored: []string{"connect_timeout", "isolation_level"}}},
		{"mysql", full("django.db.backends.mysql"), Target{Engine: MySQL, Host: "db", Port: 3306, Name: "omflow"}},
		{"mysql, options", with(full("django.db.backends.mysql"), func(d *Django) {
			d.Options = map[string]any{"ssl": map[string]any{"ca": "/ca.pem", "key": ""}, "ssl_mode": "verify_identity", "init_command": "SET x", "charset": "utf8mb4"}
		}), Target{Engine: MySQL, Host: "db", Port: 3306, Name: "omflow", Options: map[string]string{"tls": "true", "tls_ca": "/ca.pem"},
			Ignored: []string{"charset", "init_command"}}},
		{"mysql, socket", with(full("mysql.connector.django"), func(d *Django) { d.Host = ""; d.Options = map[string]any{"unix_socket": "/run/mysqld.sock"} }),
			Target{Engine: MySQL, Host: "/run/mysqld.sock", Port: 3306, Name: "omflow"}},
		{"mssql", with(full("mssql"), func(d *Django) {
			d.Host = `db\SQLEXPRESS`
			d.Options = map[string]any{"driver": "ODBC Driver 18 for SQL Server", "extra_params": "Encrypt=Yes; TrustServerCertificate=yes;MARS_Connection=yes"}
		}), Target{Engine: SQLServer, Host: "db", Port: 1433, Name: "omflow", Ignored: []string{"driver"},
			Options: map[string]string{"instance": "SQLEXPRESS", "encrypt": "true", "trustservercertificate": "true"}}},
		{"pyodbc", full("sql_server.pyodbc"), Target{Engine: SQLServer, Host: "db", Port: 1433, Name: "omflow"}},
		{"oracle, SID", with(full("django.db.backends.oracle"), func(d *Django) { d.Port = "1522" }),
			Target{Engine: Oracle, Host: "db", Port: 1522, Name: "omflow", SID: true}},
		{"oracle, SID on this machine", with(full("django.db.backends.oracle"), func(d *Django) { d.Port, d.Host = "1522", "" }),
			Target{Engine: Oracle, Host: "localhost", Port: 1522, Name: "omflow", SID: true}},
		{"oracle, easy connect", with(full("django.db.backends.oracle"), func(d *Django) { d.Host, d.Name = "", "ora1:1523/orclpdb1" }),
			Target{Engine: Oracle, Host: "ora1", Port: 1523, Name: "orclpdb1"}},
		{"oracle, easy connect without port, with server type", with(full("django.db.backends.oracle"), func(d *Django) { d.Name = "[fd00::1]/orclpdb1:dedicated" }),
			Target{Engine: Oracle, Host: "fd00::1", Port: 1521, Name: "orclpdb1"}},
	} {
		test.want.User, test.want.Password, test.want.OwnAccount = "om", "p@s:s", true
		if test.want.Options == nil {
			test.want.Options = map[string]string{}
		}
		got, err := FromDjango(test.in)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %#v, want %#v", test.name, got, test.want)
		}
	}

	for _, test := range []struct {
		in  Django
		err string
	}{
		{with(full("django.db.backends.sqlite3"), func(d *Django) {}), "SQLite cannot be shared"},
		{with(full("django.contrib.gis.db.backends.spatialite"), func(d *Django) {}), "SQLite cannot be shared"},
		{full(""), "ENGINE is empty"},
		{full("django.db.backends.dummy"), `ENGINE is "django.db.backends.dummy"`},
		{with(full("mssql"), func(d *Django) { d.Name = "" }), "NAME is empty"},
		{with(full("mssql"), func(d *Django) { d.Host = " " }), "HOST is empty"},
		{with(full("mssql"), func(d *Django) { d.User = "" }), "USER is empty"},
		{with(full("mssql"), func(d *Django) { d.Port = "x" }), `PORT is "x"`},
		{with(full("mssql"), func(d *Django) { d.Port = "0" }), `PORT is "0"`},
		{with(full("mssql"), func(d *Django) { d.Port = "70000" }), `PORT is "70000"`},
		{with(full("mssql"), func(d *Django) { d.Host = "http://db" }), "no such name"},
		{with(full("mssql"), func(d *Django) { d.Host = "/run" }), "a path is no host"},
		{full("django.db.backends.oracle"), "tnsnames.ora"},
		{with(full("django.db.backends.oracle"), func(d *Django) { d.Name = "(DESCRIPTION=(ADDRESS=(HOST=a/b)))" }), "tnsnames.ora"},
		{with(full("django.db.backends.oracle"), func(d *Django) { d.Name = "ora1:x/s" }), "host:port/service"},
		{with(full("django.db.backends.postgresql"), func(d *Django) { d.Options = map[string]any{"sslmode": "on"} }), "option sslmode"},
	} {
		_, err := FromDjango(test.in)
		if err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%+v: error %v, want one with %q", test.in, err, test.err)
		} else if strings.Contains(err.Error(), "p@s:s") {
			t.Errorf("the password shows in %q", err)
		}
	}
}

// TestOpenHidesPassword has drivers refuse what they are configured with, whose
// errors like to hold all of it.
func TestOpenHidesPassword(t *testing.T) {
	for _, password := range append(oddPasswords, "secret") {
		for _, target := range []Target{
			{Engine: Postgres, Options: map[string]string{"sslmode": "verify-full", "sslrootcert": "/no/such.pem"}},
			{Engine: Postgres, Options: map[string]string{"sslcert": "/no/such.pem"}},
			{Engine: MySQL, Options: map[string]string{"tls_ca": "/no/such.pem"}},
			{Engine: MySQL, Options: map[string]string{"tls_cert": "/no/such.pem"}},
			{Engine: MySQL, Options: map[string]string{"tls_ca": "target_test.go"}},
			{Engine: SQLServer, Options: map[string]string{"encrypt": "true", "certificate": "/no/such.pem"}},
			{Engine: Oracle, Options: map[string]string{"ssl": "true", "wallet": "/no/such"}},
		} {
			target.Host, target.Port, target.Name, target.User, target.Password = "h", 1, "n", "u", password
			db, err := Open(target)
			if err == nil {
				db.Close()
				t.Errorf("%s: opened", target)
			} else if strings.Contains(err.Error(), password) && len(password) > 3 || strings.Contains(err.Error(), "://") || strings.Contains(err.Error(), "user=") {
				t.Errorf("%s: %v", target, err)
			}
		}
	}
	for _, err := range []error{
		reason(&url.Error{Op: "parse", URL: "oracle://u:secret@h/s", Err: errors.New("no")}),
		reason(pgconn.NewParseConfigError("host=h password=secret", "cannot", errors.New("no"))),
	} {
		if err.Error() != "no" {
			t.Errorf("the reason is %q", err)
		}
	}
	if _, err := Open(Target{Engine: "db2"}); err == nil {
		t.Error("a target that is not valid was opened")
	}
}
