//go:build unix

package agent

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/patch"
)

// TestFirstSettingsFail: settings that can't be put in force at the first start, as of
// a patch folder that can't be opened, are an error, and leave nothing running.
func TestFirstSettingsFail(t *testing.T) {
	b := newBed(t)
	a := b.agent(nil)
	s := a.settings(b.to, "s1")
	s.patch = &Patch{Folder: t.TempDir()}
	s.openPatch = func(patch.Config) (patches, error) { return nil, errors.New("disk on fire") }
	if err := a.start(b.dir, "s1", s); err == nil || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("started: %v", err)
	}
	if _, there := runners.References(filepath.Clean(b.dir) + "\x00s1"); there {
		t.Error("a runner is left behind")
	}
	if err := a.Stop(); err != nil {
		t.Errorf("stop after it: %v", err)
	}
	b.start(b.agent(nil), nil) // the next configuration finds the way free
	b.to.wait(t, "up", up)
}

// TestRefusedReload: settings of which a part was put in force before another part
// failed leave the patch folder and the process of those before them.
func TestRefusedReload(t *testing.T) {
	b := newBed(t)
	former, later := t.TempDir(), t.TempDir()
	var opened []string
	open := func(c patch.Config) (patches, error) {
		opened = append(opened, c.Root) // by the monitor, before start returns
		return &folder{}, nil
	}
	b.start(b.agent(nil), func(s *settings) { s.patch, s.openPatch = &Patch{Folder: former, Keep: 1}, open })
	first := b.to.wait(t, "up", up)
	a := b.agent(nil, os.Args[0], "child-web", b.server, "another")
	s := a.settings(b.to, "s1")
	s.patch, s.openPatch = &Patch{Folder: later, Keep: 1}, open
	s.exporter = &OracleExporter{URL: "http://no-path"}
	if err := a.start(b.dir, "s1", s); err == nil || !strings.Contains(err.Error(), "oracle_exporter") {
		t.Fatalf("started: %v", err)
	}
	if want := []string{former, later, former}; !slices.Equal(opened, want) {
		t.Errorf("opened %q, want %q", opened, want)
	}
	b.start(b.agent(func(a *Agent) { a.Capacity = 2 }), func(s *settings) { s.patch, s.openPatch = &Patch{Folder: former, Keep: 1}, open })
	r := b.to.wait(t, "the next settings", func(r gossip.Report) bool { return r.Capacity == 2 })
	if r.PID != first.PID || r.Restarts != 0 {
		t.Errorf("the server was restarted: %+v", r)
	}
}

// TestNotStartedHalfway: without the patch folder that its settings name, a server is not
// started, and a new one has not arrived.
func TestNotStartedHalfway(t *testing.T) {
	m := &monitor{part: newPart(), cur: &settings{patch: &Patch{}, slave: true}}
	defer m.part.timer.Stop()
	if m.patchGate() == "" || m.absent() == "" || m.gate() == "" {
		t.Errorf("gate %q, absent %q", m.patchGate(), m.absent())
	}
	m.cur = &settings{}
	if m.gate() != "" {
		t.Errorf("without a patch folder: %q", m.gate())
	}
}
