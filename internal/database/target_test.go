package database

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// oddPasswords each hold something that a syntax on the way gives a meaning.
var oddPasswords = []string{
	`p@ss`, `a:b`, `a/b`, `a?b=c`, `a#b`, `100%`, `%41%`, `a&b=c`, `it's`, `say "so"`, `back\slash`, `\'`, ` space `, `密碼ß`, `a+b`, `a;b`, `{a}`, `[::1]`,
	`$a`, `a,b`, `<b>`, `@:/?#%&'"\ 密碼`,
}

func TestParseURL(t *testing.T) {
	long := strings.Repeat("x", maxURL)
	for _, test := range []struct {
		url  string
		want Target
		err  string // part of it
	}{
		{url: "postgres://u:p@h/d", want: Target{Engine: Postgres, Host: "h", Port: 5432, Name: "d", User: "u", Password: "p"}},
		{url: "postgresql://u@h:1/d", want: Target{Engine: Postgres, Host: "h", Port: 1, Name: "d", User: "u"}},
		{url: "POSTGRES://u@h/d", want: Target{Engine: Postgres, Host: "h", Port: 5432, Name: "d", User: "u"}},
		{url: "mysql://u:p@[fd00::1]/d", want: Target{Engine: MySQL, Host: "fd00::1", Port: 3306, Name: "d", User: "u", Password: "p"}},
		{url: "mariadb://u:p@[fd00::1]:65535/d", want: Target{Engine: MySQL, Host: "fd00::1", Port: 65535, Name: "d", User: "u", Password: "p"}},
		{url: "sqlserver://u:p@h?database=d", want: Target{Engine: SQLServer, Host: "h", Port: 1433, Name: "d", User: "u", Password: "p"}},
		{url: "mssql://u:p@h/d?instance=i&encrypt=true", want: Target{Engine: SQLServer, Host: "h", Port: 1433, Name: "d", User: "u", Password: "p",
			Options: map[string]string{"instance": "i", "encrypt": "true"}}},
		{url: "oracle://u:p@h/s", want: Target{Engine: Oracle, Host: "h", Port: 1521, Name: "s", User: "u", Password: "p"}},
		{url: "oracle://u:p@h?sid=XE", want: Target{Engine: Oracle, Host: "h", Port: 1521, Name: "XE", SID: true, User: "u", Password: "p"}},
		{url: "oracle://u:p@h/?sid=XE", want: Target{Engine: Oracle, Host: "h", Port: 1521, Name: "XE", SID: true, User: "u", Password: "p"}},
		{url: "postgres://u@/d?host=/run/postgresql&sslmode=disable", want: Target{Engine: Postgres, Host: "/run/postgresql", Port: 5432, Name: "d", User: "u",
			Options: map[string]string{"sslmode": "disable"}}},
		{url: "postgres://u:a@b:c@h/d", want: Target{Engine: Postgres, Host: "h", Port: 5432, Name: "d", User: "u", Password: "a@b:c"}},
		{url: `postgres://ü:a'"\ b@h/d%2Fe`, want: Target{Engine: Postgres, Host: "h", Port: 5432, Name: "d/e", User: "ü", Password: `a'"\ b`}},

		{url: "", err: "write it as engine://"},
		{url: "postgres:/u@h/d", err: "write it as engine://"},
		{url: "sqlite:///db.omflow", err: "SQLite cannot be shared"},
		{url: "sqlite:db.omflow", err: "SQLite cannot be shared"},
		{url: "sqlite3://db.omflow", err: "SQLite cannot be shared"},
		{url: "postgers://u:secret@h/d", err: `unknown engine "postgers"`},
		{url: "db2://u:secret@h/d", err: `unknown engine "db2"`},
		{url: "postgres://u:secret@h", err: "no database name"},
		{url: "oracle://u:secret@h", err: "no service name"},
		{url: "postgres://u:secret@/d", err: "no host"},
		{url: "postgres://:secret@h/d", err: "no user"},
		{url: "postgres://h/d", err: "no user"},
		{url: "postgres://u:secret@h:0/d", err: "port"},
		{url: "postgres://u:secret@h:65536/d", err: "port"},
		{url: "postgres://u:secret@h:5432:1/d", err: "port"},
		{url: "postgres://u:secret@fd00::1/d", err: "IPv6"},
		{url: "postgres://u:secret@[fd00::1/d", err: "has no ]"},
		{url: "postgres://u:secret@[fd00::1]5432/d", err: "behind the host's ]"},
		{url: "postgres://u:secret@h h/d", err: "no such name"},
		{url: "postgres://u:secret@h[/d", err: "no such name"},
		{url: "postgres://u:secret%@h/d", err: "%25"},
		{url: "postgres://u:secret%zz@h/d", err: "%25"},
		{url: "postgres://u:secret/x@h/d", err: "%2F"},
		{url: "postgres://u:secret#x@h/d", err: "%23"},
		{url: "postgres://u:secret?x@h/d", err: "write"},
		{url: "postgres://u:secret@h/d%zz", err: "database name"},
		{url: "postgres://u:sec%00ret@h/d", err: "NUL"},
		{url: "postgres://u:secret@h/d?sslmod=require", err: `unknown option "sslmod": known are application_name`},
		{url: "postgres://u:secret@h/d?sslmode=on", err: "write one of disable"},
		{url: "postgres://u:secret@h/d?sslrootcert=", err: "write a value"},
		{url: "postgres://u:secret@h/d?sslmode=require&sslmode=disable", err: "2 times"},
		{url: "postgres://u:secret@h/d?a=%zz", err: "options"},
		{url: "postgres://u:secret@h/d?host=/tmp", err: "leave one out"},
		{url: "sqlserver://u:secret@h/d?database=e", err: "leave one out"},
		{url: "sqlserver://u:secret@h/d?host=e", err: "unknown option"},
		{url: "oracle://u:secret@h/d?sid=e", err: "leave one out"},
		{url: "postgres://" + long, err: "longer than"},
	} {
		got, err := ParseURL(test.url)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%.80s: error %v, want one with %q", test.url, err, test.err)
			} else if strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the password shows in %q", test.url, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		if test.want.Options == nil {
			test.want.Options = map[string]string{}
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %#v, want %#v", test.url, got, test.want)
		}
	}
}

// TestPasswordHidden prints a target in all the ways that Go has.
func TestPasswordHidden(t *testing.T) {
	for _, engine := range []Engine{Postgres, MySQL, SQLServer, Oracle} {
		for _, password := range append(oddPasswords, "u", "h3", "secret") {
			raw := fmt.Sprintf("%s://us:%s@ho/na", string(engine), url.PathEscape(password))
			target, err := ParseURL(raw)
			if err != nil {
				t.Fatalf("%s: %v", raw, err)
			}
			if target.Password != password {
				t.Fatalf("password %q was read as %q", password, target.Password)
			}
			var log strings.Builder
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "target", target, "pointer", &target)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "target", target, "inside", struct{ T Target }{target})
			j, err := json.Marshal(struct{ T any }{target})
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("%s://us:***@ho:%d/na", string(engine), dialects[engine].port)
			for how, got := range map[string]string{
				"String": target.String(), "%v": fmt.Sprintf("%v", target), "%+v": fmt.Sprintf("%+v", target), "pointer": fmt.Sprint(&target),
			} {
				if got != want {
					t.Errorf("%s: %s, want %s", how, got, want)
				}
			}
			for how, got := range map[string]string{"%#v": fmt.Sprintf("%#v", target), "slog": log.String(), "json": string(j)} {
				if !strings.Contains(got, want) || len(password) > 5 && strings.Contains(got, password) {
					t.Errorf("password %q: %s: %s", password, how, got)
				}
			}
		}
	}
}

// TestStringParsesBack reads what String wrote, which people copy.
func TestStringParsesBack(t *testing.T) {
	for _, raw := range []string{
		"postgres://u%40%3A%2F@h/d%2F%3F", "postgres://u@/d?host=%2Frun%2Fpg", "mysql://u@[fd00::1]:1/d?tls=true", "oracle://u@h/?sid=XE", "oracle://u@h/s",
		"sqlserver://u@h/d?instance=i",
	} {
		first, err := ParseURL(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		second, err := ParseURL(first.String())
		if err != nil || !reflect.DeepEqual(first, second) {
			t.Errorf("%s: %s is read as %#v (%v)", raw, first, second, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"postgres://u:p@h/d", "oracle://u:p%40@[::1]:1/?sid=x", "mysql://u@/d?host=/s", "sqlserver://a:b@c?database=d&encrypt=true", "sqlite:x", "a://%", "oracle://0 +%3A@[0]?sid=0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		target, err := ParseURL(raw)
		if err != nil {
			return
		}
		if err := target.Validate(); err != nil {
			t.Fatalf("accepted, yet not valid: %v", err)
		}
		again, err := ParseURL(target.String())
		if err != nil {
			t.Fatalf("%q is printed as %q, which is refused: %v", raw, target, err)
		}
		if target.Password != "" {
			target.Password = "***"
		}
		if !reflect.DeepEqual(again, target) {
			t.Fatalf("%q is printed as %q, which is another target", raw, target)
		}
		// Certificates that are named need not exist; nothing else may fail.
		if db, err := Open(target); err == nil {
			db.Close()
		} else if strings.Contains(err.Error(), "://") {
			t.Fatalf("the error holds the connection string: %v", err)
		}
	})
}
