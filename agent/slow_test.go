//go:build unix

package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestPatience: a server that never comes up in time is given more of it each time, up to a
// bound, and no more than at first once it has come up.
func TestPatience(t *testing.T) {
	const least = 5 * time.Millisecond
	b := newBed(t)
	// The port is taken by nobody: the child listens elsewhere and stays mute.
	a := b.agent(nil, os.Args[0], "child-web", "127.0.0.1:0")
	short := func(s *settings) { s.startup = least }
	b.start(a, short)
	slow, patience := 0, time.Duration(0)
	look := func() bool {
		return a.inUse.r.look(func(m *monitor) { slow, patience = m.slow, m.patience() })
	}
	observe.Eventually(t, "more replacements than count", func() bool { return look() && slow > maxSlow })
	if patience != least<<maxSlow {
		t.Errorf("in the end it has %s", patience)
	}
	b.start(b.agent(nil), nil) // the operator mends the command and reloads
	b.to.wait(t, "up", up)
	if !look() || slow != 0 || patience != startup {
		t.Errorf("when it was up: replaced %d times in a row, %s", slow, patience)
	}
}

// TestUnkeptIsToldOnce: on a disk that is full it is tried each second to write down that the
// server is the lead.
func TestUnkeptIsToldOnce(t *testing.T) {
	var log observe.Buffer
	m := &monitor{part: newPart(), dir: filepath.Join(t.TempDir(), "gone"), log: slog.New(slog.NewTextHandler(&log, nil))}
	renew := func(times int) {
		for range times {
			m.guardLead(rollout.Want{Part: rollout.Lead, Until: m.part.held.Add(time.Second)})
		}
	}
	told := func() int { return strings.Count(log.String(), "could not be taken over") }
	if renew(3); told() != 1 {
		t.Errorf("told %d times: %s", told(), log.String())
	}
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	renew(1)
	if k, ok, err := loadKeepsake(m.dir); !ok || err != nil || k.Part != rollout.Lead {
		t.Errorf("written down: %+v, %v, %v", k, ok, err)
	}
	if err := os.RemoveAll(m.dir); err != nil {
		t.Fatal(err)
	}
	if renew(3); told() != 2 {
		t.Errorf("when it fails again, told %d times: %s", told(), log.String())
	}
}
