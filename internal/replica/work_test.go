package replica

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/watch"
)

// TestStall: a peer that begins to send and falls silent is left, and others may be
// asked.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(Blob) (io.ReadCloser, error) {
			r, w := io.Pipe()
			go func() { _, _ = w.Write([]byte("cont")) }() // ends when the reader is closed
			return r, nil
		}
		cfg := Config{Root: t.TempDir(), Node: "a", Peers: nil}.withDefaults()
		r := &Replica{cfg: cfg, log: slog.New(slog.DiscardHandler)}
		r.cfg.Peers = &stopping{liar{fetch: silent}}
		tree, err := r.cfg.openTree()
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		e := entry("f", "content", "evil", 1)
		began := time.Now()
		theirs, err := r.fetchFrom(t.Context(), tree, &e, staging+"/x", "evil")
		if !theirs || err == nil || !strings.Contains(err.Error(), "nothing came") || time.Since(began) != stall {
			t.Errorf("theirs %t, %v, after %s", theirs, err, time.Since(began))
		}
	})
}

// stopping is a liar whose content ends with the context, as one over HTTP does.
type stopping struct{ liar }

func (s *stopping) Fetch(ctx context.Context, peer string, b Blob) (io.ReadCloser, error) {
	r, err := s.liar.Fetch(ctx, peer, b)
	context.AfterFunc(ctx, func() { r.Close() })
	return r, err
}

// TestLoses: whose content is kept aside before it is overwritten.
func TestLoses(t *testing.T) {
	r := &Replica{cfg: Config{Node: "a"}}
	at := func(content string, v Version) *Entry {
		e := entry("f", content, "", 0)
		e.Version = v
		return &e
	}
	for _, tt := range []struct {
		what     string
		local, e *Entry
		want     bool
	}{
		{"goes back to it", at("x", Version{{"b", 1}}), at("y", Version{{"b", 1}, {"c", 2}}), false},
		{"its own later change", at("x", Version{{"b", 1}}), at("y", Version{{"b", 2}}), false},
		{"concurrent, of another node", at("x", Version{{"b", 2}}), at("y", Version{{"c", 3}}), true},
		{"concurrent, of this node", at("x", Version{{"a", 2}}), at("y", Version{{"c", 3}}), true},
		{"concurrent, the same content", at("x", Version{{"a", 2}}), at("x", Version{{"c", 3}}), false},
		{"only found", at("x", found("a")), at("y", Version{{"a", 3}}), true},
		{"of this node, which forgot a change", at("x", Version{{"a", 2}}), at("y", Version{{"a", 3}}), true},
	} {
		if got := r.loses(tt.local, tt.e); got != tt.want {
			t.Errorf("%s: %t", tt.what, got)
		}
	}
}

// TestLateReport: what the watcher saw before the replica wrote a file is no change.
func TestLateReport(t *testing.T) {
	c := newCluster(t, "a", "b")
	c.linked()
	c.node("a").write("f", "content")
	c.hold(map[string]string{"f": "content"})
	b := c.node("b")
	observe.Eventually(t, "it has arrived", func() bool { return b.Status().Missing == 0 })
	late := watch.Change{
		Changed: []watch.Entry{{Path: "f", Size: 7, SHA256: sha256.Sum256([]byte("earlier"))}},
		Removed: []watch.Entry{{Path: "f", Size: 7}},
	}
	before := b.index2("f")
	if err := b.takeIn(late, true, false); err != nil {
		t.Fatal(err)
	}
	if after := b.index2("f"); !after.same(&before) || compareVersions(before.Version, after.Version) != 0 {
		t.Errorf("%+v, was %+v", after, before)
	}
}
