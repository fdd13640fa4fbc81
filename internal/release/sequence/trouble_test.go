package sequence

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/rollout"
)

// TestTrouble: a booster that can't write down releases works all the same, names no target
// and gives out no number, and goes on by itself when it can.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, b := pair(t)
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		c.want(a, 1, "1")
		a.end()
		record := filepath.Join(a.dir, "published.jsonl")
		kept := filepath.Join(t.TempDir(), "kept")
		if err := errors.Join(os.Rename(record, kept), os.Mkdir(record, 0o700)); err != nil {
			t.Fatal(err)
		}
		a = c.booster("a", a.dir, nil)
		two := c.make(one, "s1", "2")
		if err := a.Propose(t.Context(), api.Proposal{Manifest: two}, "s1"); !errors.Is(err, rollout.ErrNotActive) {
			t.Errorf("on standby: %v", err)
		}
		b.end()
		c.elect(a, 3)
		settle()
		if err := a.Propose(t.Context(), api.Proposal{Manifest: two}, "s1"); err == nil || !strings.Contains(err.Error(), "open release log") {
			t.Errorf("proposed: %v", err)
		}
		if target := a.Releases().Target(); target.Number != 0 || !strings.Contains(a.Status().Trouble, "open release log") {
			t.Errorf("target %+v, status %+v", target, a.Status())
		}
		if err := errors.Join(os.Remove(record), os.Rename(kept, record)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(reopenTime + pollTime)
		settle()
		c.want(a, 1, "1")
		if trouble := a.Status().Trouble; trouble != "" {
			t.Errorf("still in trouble: %s", trouble)
		}
		c.must(a, two, api.Proposal{})
		c.want(a, 2, "2")
	})
}
