package database

import (
	"fmt"
	"strings"
	"testing"
)

func TestMariaDBLacks(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_rights")
	rights := []string{"CREATE", "INSERT", "SELECT", "UPDATE", "DELETE", "ALTER", "INDEX", "DROP"}
	for i, right := range rights {
		t.Run(right, func(t *testing.T) {
			user := "u_" + strings.ToLower(right)
			all := append(append([]string{}, rights[:i]...), rights[i+1:]...)
			c.do(t, "mysql", fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY 'right'", user),
				fmt.Sprintf("GRANT %s ON d_rights.* TO %s@'%%'", strings.Join(all, ", "), user))
			target := c.target(user, "right", "d_rights")
			r := runCheck(t, target)
			failed := r.Failed()
			if failed == nil || failed.Kind != NoRight || mysqlRights[failed.Name] != right {
				t.Fatalf("%+v, want a missing right %s", failed, right)
			}
			if want := fmt.Sprintf("GRANT %s ON `d_rights`.* TO '%s'@'%%'", right, user); failed.Grant != want {
				t.Errorf("suggests %s, want %s", failed.Grant, want)
			}
			if !strings.HasPrefix(failed.GrantAll, "GRANT CREATE, DROP, ALTER, INDEX, REFERENCES, SELECT") {
				t.Errorf("for all at once %s", failed.GrantAll)
			}
			if left := c.tables(t, "d_rights"); len(left) > 0 || r.Left != "" {
				t.Errorf("scratch tables left: %v (%q)", left, r.Left)
			}
			c.mend(t, "mysql", failed.Grant, "right")
			mustPass(t, runCheck(t, target))
		})
	}
}

func TestMariaDBSignIn(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	target := c.target(`u'n\ew`, "right", "d`new")
	for _, lack := range []string{"sign in: sign-in refused", "sign in: missing right", "sign in: no such database"} {
		failed := runCheck(t, target).Failed()
		if failed == nil {
			t.Fatalf("passed, want %q", lack)
		}
		if got := fmt.Sprintf("%s: %s", failed.Name, failed.Kind); got != lack {
			t.Fatalf("%s (%v), want %s", got, failed.Err, lack)
		}
		c.mend(t, "mysql", failed.Grant, "right")
	}
	r := runCheck(t, target)
	mustPass(t, r)
	if !strings.Contains(r.Version, "MariaDB") {
		t.Errorf("version %q", r.Version)
	}
	c.do(t, "mysql", `ALTER USER 'u''n\\ew'@'%' ACCOUNT LOCK`)
	if f := runCheck(t, target).Failed(); f == nil || f.Kind != SignInRefused {
		t.Errorf("locked account: %+v", f)
	}
}

// TestMariaDBGrantAll: the statement for all rights is enough.
func TestMariaDBGrantAll(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_all", "CREATE USER u_all@'%' IDENTIFIED BY 'right'", "GRANT SELECT ON d_all.* TO u_all@'%'")
	target := c.target("u_all", "right", "d_all")
	failed := runCheck(t, target).Failed()
	if failed == nil || failed.Kind != NoRight {
		t.Fatalf("%+v, want a missing right", failed)
	}
	c.mend(t, "mysql", failed.GrantAll, "right")
	mustPass(t, runCheck(t, target))
}

// TestMariaDBCharacters: Chinese text fits into no latin1, emoji into no utf8mb3, whether
// the server refuses them or keeps question marks.
func TestMariaDBCharacters(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE USER u_narrow@'%' IDENTIFIED BY 'right'")
	for _, set := range []string{"latin1", "utf8mb3"} {
		for mode, lax := range map[string]string{"strict": "STRICT_TRANS_TABLES", "lax": ""} {
			t.Run(set+" "+mode, func(t *testing.T) {
				name := "d_" + set + "_" + mode
				c.do(t, "mysql", "CREATE DATABASE "+name+" CHARACTER SET "+set, "GRANT ALL ON "+name+".* TO u_narrow@'%'", "SET GLOBAL sql_mode = '"+lax+"'")
				defer c.do(t, "mysql", "SET GLOBAL sql_mode = DEFAULT")
				target := c.target("u_narrow", "right", name)
				failed := runCheck(t, target).Failed()
				if failed == nil || failed.Kind != Characters {
					t.Fatalf("%+v, want characters that do not fit", failed)
				}
				if left := c.tables(t, name); len(left) > 0 {
					t.Errorf("scratch tables left: %v", left)
				}
				c.mend(t, "mysql", failed.Grant, "right")
				mustPass(t, runCheck(t, target))
			})
		}
	}
}

func TestMariaDBReadOnly(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_readonly", "CREATE USER u_readonly@'%' IDENTIFIED BY 'right'", "GRANT ALL ON d_readonly.* TO u_readonly@'%'",
		"SET GLOBAL read_only = ON")
	target := c.target("u_readonly", "right", "d_readonly")
	failed := runCheck(t, target).Failed()
	if failed == nil || failed.Kind != ReadOnly {
		c.do(t, "mysql", "SET GLOBAL read_only = OFF")
		t.Fatalf("%+v, want read-only", failed)
	}
	c.mend(t, "mysql", failed.Grant, "right")
	mustPass(t, runCheck(t, target))
}

func TestMariaDBOddPasswords(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_odd", `CREATE USER 'u"\\odd'@'%'`, `GRANT ALL ON d_odd.* TO 'u"\\odd'@'%'`)
	for _, password := range oddPasswords {
		literal := quote(strings.ReplaceAll(password, `\`, `\\`), "'", "'")
		c.do(t, "mysql", `ALTER USER 'u"\\odd'@'%' IDENTIFIED BY `+literal)
		if err := mustOpen(t, c.target(`u"\odd`, password, "d_odd")).Ping(t.Context()); err != nil {
			t.Errorf("password %q: %v", password, err)
		}
	}
}

func TestMariaDBRestart(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_restart", "CREATE USER u_restart@'%' IDENTIFIED BY 'right'", "GRANT ALL ON d_restart.* TO u_restart@'%'")
	testRestart(t, c, mustOpen(t, c.target("u_restart", "right", "d_restart")))
}

func TestMariaDBJournal(t *testing.T) {
	c := need(t, "MariaDB", startMariaDB)
	c.do(t, "mysql", "CREATE DATABASE d_journal CHARACTER SET utf8mb4", "CREATE USER u_journal@'%' IDENTIFIED BY 'right'", "GRANT ALL ON d_journal.* TO u_journal@'%'")
	db := mustOpen(t, c.target("u_journal", "right", "d_journal"))
	testNoJournal(t, db)
	// As Django's migration makes it.
	c.do(t, "d_journal", "CREATE TABLE `omflow_queuedata` (`id` integer AUTO_INCREMENT NOT NULL PRIMARY KEY, `queue_id` longtext NULL, "+
		"`name` varchar(50) NOT NULL, `module_name` longtext NULL, `method_name` longtext NULL, `input_param` longtext NULL)")
	testJournal(t, db)
}
