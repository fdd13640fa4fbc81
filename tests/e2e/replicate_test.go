//go:build linux

package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// A new attachment is on all servers within two seconds, no server is restarted for it,
// its deletion follows, and what is there for a moment while a ticket is opened stays
// where it is.
func TestReplicate(t *testing.T) {
	c := start(t, harness.Config{})
	released(t, c, 1)
	before := c.ServerPIDs(t)
	const name, text = "uploads/omformflow/mission/1/2/附件 一.txt", "an attachment"
	lead := c.Lead()
	if lead == nil {
		t.Fatal("there is no lead server")
	}
	put := func(name string) {
		t.Helper()
		file := filepath.Join(lead.Home(), name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("uploads/temp/mission_1764150000/x.txt")
	put(name)
	begun := time.Now()
	for _, a := range c.Agents {
		harness.Wait(t, 20*time.Second, "the attachment is on "+a.Name, func() error { return holds(a, name, text) })
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Logf("it took %s until all had it; that may be a machine that has other things to do", took)
	}
	if err := os.Remove(filepath.Join(lead.Home(), name)); err != nil {
		t.Fatal(err)
	}
	for _, a := range c.Agents {
		harness.Wait(t, 20*time.Second, "the attachment is gone on "+a.Name, func() error {
			if err := holds(a, name, text); !errors.Is(err, fs.ErrNotExist) {
				return errors.Join(errors.New("it is there"), err)
			}
			return nil
		})
		if err := holds(a, "uploads/temp/mission_1764150000/x.txt", text); (err == nil) != (a == lead) {
			t.Errorf("the temporary file on %s: %v", a.Name, err)
		}
	}
	for name, pid := range c.ServerPIDs(t) {
		if pid != before[name] {
			t.Errorf("server %s was restarted", name)
		}
	}
}
