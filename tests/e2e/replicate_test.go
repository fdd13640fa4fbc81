//go:build linux

package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// A new attachment comes to all servers, no server is restarted for it, its deletion follows, and what is there for a moment while a ticket is opened stays
// where it is.
func TestReplicate(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{})
	newest(t, c)
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
		harness.Wait(t, time.Minute, "the attachment is on "+a.Name, func() error { return holds(a, name, text) })
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Logf("it took %s until all had it; that may be a machine that has other things to do", took)
	}
	if err := os.Remove(filepath.Join(lead.Home(), name)); err != nil {
		t.Fatal(err)
	}
	for _, a := range c.Agents {
		harness.Wait(t, time.Minute, "the attachment is gone on "+a.Name, func() error {
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

// A server that was off, and lacks attachments that came meanwhile, does not become the lead
// when the lead's machine dies, although it comes first by name: it would mark them as
// deleted. The one becomes it that has them.
func TestReplicateBeforeLead(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{})
	newest(t, c)
	lead := c.Lead()
	if lead == nil {
		t.Fatal("there is no lead server")
	}
	followers := slices.DeleteFunc(slices.Clone(c.Agents), func(a *harness.Node) bool { return a == lead })
	off, other := followers[0], followers[1]
	off.Stop(t)

	// What came is not fetched here: somebody has put a link in the folder's place.
	const folder, text = "uploads/omformflow/mission/1", "an attachment"
	link := filepath.Join(off.Home(), folder)
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(lead.Home(), folder), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lead.Home(), folder, "a.txt"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	harness.Wait(t, time.Minute, "the attachment is on "+other.Name, func() error { return holds(other, folder+"/a.txt", text) })
	off.Start(t)
	c.WaitUp(t, len(c.Agents))

	lead.Kill()
	c.KillServer(t, slices.Index(c.Agents, lead))
	harness.Wait(t, 2*time.Minute, "there is a lead server again", func() error {
		switch c.Lead() {
		case other:
			return nil
		case off:
			t.Fatalf("%s is the lead, without the attachment", off.Name)
		}
		return errors.New("there is none")
	})
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	harness.Wait(t, 2*time.Minute, "the attachment comes when it can", func() error { return holds(off, folder+"/a.txt", text) })
}
