//go:build unix

package agent

import (
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/programs"
)

// TestOwnAccount: on MySQL a database that the Caddyfile names is asked as OMFLOW's own
// account when it is that one, and as another one when nobody knows.
func TestOwnAccount(t *testing.T) {
	programs.Python(t)
	home := t.TempDir()
	mysql := strings.NewReplacer("postgresql", "mysql")
	settingsFile(t, home, mysql.Replace(wellSettings))
	own, err := source{home: home, python: "python3"}.target(t.Context())
	if err != nil || !own.OwnAccount {
		t.Fatalf("%+v, %v", own, err)
	}
	for url, want := range map[string]bool{
		"mysql://" + own.User + ":x@db.example/omflow":    true,
		"mysql://watcher:x@db.example/omflow":             false,
		"postgres://" + own.User + ":x@db.example/omflow": false, // where it is not asked
	} {
		target, err := source{url: url, home: home, python: "python3"}.target(t.Context())
		if err != nil || target.OwnAccount != want {
			t.Errorf("%s: %t, %v", url, target.OwnAccount, err)
		}
	}
	settingsFile(t, home, "(")
	if target, err := (source{url: "mysql://" + own.User + ":x@db.example/omflow", home: home, python: "python3"}).target(t.Context()); err != nil || target.OwnAccount {
		t.Errorf("without settings: %+v, %v", target, err)
	}
}
