package replica

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/testbed/observe"
)

// entry is one that a test makes up.
func entry(path, content, node string, counter uint64) Entry {
	return Entry{
		Path: path, Version: Version{{Node: node, Counter: counter}}, Made: time.Now().UnixNano(),
		Size: int64(len(content)), SHA256: sha256.Sum256([]byte(content)),
	}
}

// TestRefused: what no honest peer tells has no effect and is named in the log.
func TestRefused(t *testing.T) {
	c := newCluster(t)
	n := c.start("a", func(cfg *Config) { cfg.MaxFiles, cfg.MaxFileSize = 3, 1000 })
	n.write("there", "there")
	observe.Eventually(t, "the file is known", func() bool { return n.Status().Files == 1 })
	with := func(change func(*Entry)) Entry {
		e := entry("x", "x", "evil", 1)
		change(&e)
		return e
	}
	many := make(Version, MaxAuthors+1)
	for i := range many {
		many[i] = Change{Node: fmt.Sprintf("n%02d", i), Counter: 1}
	}
	for want, e := range map[string]Entry{
		"absolute":          with(func(e *Entry) { e.Path = "/etc/passwd" }),
		"not a name":        with(func(e *Entry) { e.Path = "../x" }),
		"backslash":         with(func(e *Entry) { e.Path = `a\b` }),
		"device on Windows": with(func(e *Entry) { e.Path = "nul.txt" }),
		"own folder":        with(func(e *Entry) { e.Path = release.StagingDir + "/x" }),
		"not UTF-8":         with(func(e *Entry) { e.Path = "\xff" }),
		"longer than":       with(func(e *Entry) { e.Path = strings.Repeat("a", 2000) }),
		"version of 0":      with(func(e *Entry) { e.Version = nil }),
		"version of 33":     with(func(e *Entry) { e.Version = many }),
		"not sorted":        with(func(e *Entry) { e.Version = Version{{"b", 1}, {"a", 1}} }),
		"has a slash":       with(func(e *Entry) { e.Version = Version{{"a/b", 1}} }),
		"too far above 0":   with(func(e *Entry) { e.Version = Version{{"b", MaxJump + 1}} }),
		"too far above 1":   with(func(e *Entry) { e.Path, e.Version = "there", Version{{"b", MaxJump + 2}} }),
		"which is to come":  with(func(e *Entry) { e.Made = time.Now().Add(48 * time.Hour).UnixNano() }),
		"at most 1000":      with(func(e *Entry) { e.Size = 1001 }),
		"size of -1":        with(func(e *Entry) { e.Size = -1 }),
		"no hash":           with(func(e *Entry) { e.SHA256 = release.Hash{} }),
		"before 1970":       with(func(e *Entry) { e.Time = -1 }),
		"case is ignored":   with(func(e *Entry) { e.Path = "THERE" }),
	} {
		before := n.Status().Refused
		if err := n.Receive("evil", []Entry{e}); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if s := n.Status(); s.Refused != before+1 || s.Files != 1 {
			t.Errorf("%s: %+v", want, s)
		}
		if !strings.Contains(n.log.String(), want) || !strings.Contains(n.log.String(), "peer=evil") {
			t.Errorf("%s: not in the log", want)
		}
	}
	if err := n.Receive("evil", make([]Entry, MaxBatch+1)); err == nil {
		t.Error("a message with too many entries was taken")
	}
	flood := []Entry{entry("f1", "x", "evil", 1), entry("f2", "x", "evil", 1), entry("f3", "x", "evil", 1)}
	if err := n.Receive("evil", flood); err != nil || n.Status().Files != 3 {
		t.Errorf("%+v, %v", n.Status(), err)
	}
	if got := n.content(); !maps.Equal(got, map[string]string{"there": "there"}) {
		t.Errorf("%q", got)
	}
	if entries, err := os.ReadDir(filepath.Dir(n.root)); err != nil || len(entries) != 2 {
		t.Errorf("beside the folder: %v, %v", entries, err)
	}
}

// liar is a peer that answers what a test makes up.
type liar struct {
	Peers
	page  Entries
	fetch func(Blob) (io.ReadCloser, error)
}

func (l *liar) Alive() []string { return []string{"evil"} }

func (l *liar) Push(context.Context, string, []Entry) error { return nil }

func (l *liar) Digest(context.Context, string) (d Digest, err error) {
	d.Buckets[0], d.Since = 1, time.Now()
	return d, nil
}

func (l *liar) Entries(context.Context, string, Page) (Entries, error) { return l.page, nil }

func (l *liar) Fetch(_ context.Context, _ string, b Blob) (io.ReadCloser, error) { return l.fetch(b) }

// TestLies: a content that is not its hash is not put in place, nor are entries on a
// wrong page taken, nor does a page without end hold anybody.
func TestLies(t *testing.T) {
	for name, sent := range map[string]string{"other": "CONTENT", "longer": "contents", "shorter": "content"[:3], "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			n := c.start("a", func(cfg *Config) {
				cfg.Peers = &liar{fetch: func(Blob) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(sent)), nil }}
			})
			if err := n.Receive("evil", []Entry{entry("d/f", "content", "evil", 1)}); err != nil {
				t.Fatal(err)
			}
			observe.Eventually(t, "it is told", func() bool { return strings.Contains(n.log.String(), "something else than it promised") })
			observe.Eventually(t, "the status says it", func() bool { s := n.Status(); return s.Missing == 1 && s.Degraded != "" })
			observe.Eventually(t, "nothing of it stays", func() bool { return len(n.content()) == 0 && !n.staged() })
		})
	}
	for name, page := range map[string]Entries{
		"wrong bucket": {Entries: []Entry{entry("not in bucket 0", "x", "evil", 1)}},
		"no end":       {More: true},
		"too many":     {Entries: make([]Entry, MaxBatch+1)},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			n := c.start("a", func(cfg *Config) { cfg.Peers = &liar{page: page} })
			observe.Eventually(t, "it is told", func() bool { return strings.Contains(n.log.String(), "page") })
			if n.Status().Files != 0 {
				t.Errorf("%+v", n.Status())
			}
		})
	}
}

// endless is a peer that knows ever more of one bucket.
type endless struct {
	liar
	paths []string // in order
}

func (p *endless) Entries(_ context.Context, _ string, page Page) (Entries, error) {
	var out Entries
	for _, path := range p.paths {
		if path > page.After && len(out.Entries) < MaxBatch {
			out.Entries = append(out.Entries, entry(path, "x", "evil", 1))
		}
	}
	out.More = true
	return out, nil
}

// TestEndlessBucket: a peer that tells of far more in a bucket than hashes put there is
// left before it has filled the memory.
func TestEndlessBucket(t *testing.T) {
	p := &endless{liar: liar{fetch: func(Blob) (io.ReadCloser, error) { return nil, ErrNotHere }}}
	for i := 0; len(p.paths) < 3*MaxBatch; i++ {
		if path := fmt.Sprintf("%08d", i); bucketOf(path) == 0 {
			p.paths = append(p.paths, path)
		}
	}
	c := newCluster(t)
	n := c.start("a", func(cfg *Config) { cfg.Peers, cfg.MaxFiles, cfg.MaxTombstones = p, 10_000, 1 })
	observe.Eventually(t, "it is told", func() bool { return strings.Contains(n.log.String(), "more than 1312 entries in one bucket") })
}

// TestLinks: no symbolic link leads a file, or a deletion, out of the folder.
func TestLinks(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "victim"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, "a", "b")
	c.linked()
	b := c.node("b")
	if err := os.Symlink(outside, b.path("d")); err != nil {
		t.Skip(err)
	}
	c.node("a").write("d/f", "content")
	c.node("a").write("d/victim", "content")
	observe.Eventually(t, "it is tried", func() bool { s := b.Status(); return s.Missing == 2 && s.Degraded != "" })
	gone := entry("d/victim", "mine", "a", 7)
	gone.Deleted = true
	if err := b.Receive("a", []Entry{gone}); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "it is tried", func() bool { n, _, _ := b.queue.failing(); return n > 0 })
	entries, err := os.ReadDir(outside)
	if text, rerr := os.ReadFile(filepath.Join(outside, "victim")); err != nil || rerr != nil || len(entries) != 1 || string(text) != "mine" {
		t.Errorf("%v, %v; %q, %v", entries, err, text, rerr)
	}
}

// TestOtherHolders: a file comes from whoever has it when its maker has not.
func TestOtherHolders(t *testing.T) {
	c := newCluster(t, "a", "b")
	c.linked()
	c.node("a").write("f", "content")
	c.hold(map[string]string{"f": "content"})
	c.mu.Lock()
	c.bare["a"] = true
	c.mu.Unlock()
	n := c.start("c", nil)
	c.hold(map[string]string{"f": "content"})
	if strings.Contains(n.log.String(), "tried again") {
		t.Errorf("the other was not asked at once:\n%s", n.log)
	}
}

// TestOpenWaits: only so many are served at once, and places are given back.
func TestOpenWaits(t *testing.T) {
	c := newCluster(t, "a")
	n := c.node("a")
	n.write("f", "content")
	blob := Blob{Path: "f", Size: 7, SHA256: sha256.Sum256([]byte("content"))}
	var readers []io.ReadCloser
	observe.Eventually(t, "the file is known", func() bool {
		r, err := n.Open(t.Context(), blob)
		if err == nil {
			readers = append(readers, r)
		}
		return err == nil
	})
	for len(readers) < serving {
		r, err := n.Open(t.Context(), blob)
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Open(ctx, blob); !errors.Is(err, context.Canceled) {
		t.Errorf("one more is served: %v", err)
	}
	for _, r := range readers {
		if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, []byte("content")) {
			t.Errorf("%q, %v", b, err)
		}
		r.Close()
		r.Close() // gives one place back, not two
	}
	if len(n.sends) != 0 {
		t.Errorf("%d places are held", len(n.sends))
	}
	blob.SHA256[0]++
	if _, err := n.Open(t.Context(), blob); !errors.Is(err, ErrNotHere) {
		t.Errorf("another content: %v", err)
	}
}

// TestNotAllowed: what the owner's rules leave out is not fetched.
func TestNotAllowed(t *testing.T) {
	c := newCluster(t, "a")
	c.start("b", func(cfg *Config) {
		cfg.Rules.Exclude = []string{"/temp"}
		cfg.Allowed = func(path string) bool { return !strings.HasPrefix(path, "temp/") }
	})
	c.linked()
	c.node("a").write("temp/x", "x")
	c.node("a").write("f", "f")
	c.hold2(map[string]string{"f": "f"}, "b")
	observe.Eventually(t, "all is known", func() bool { s := c.node("b").Status(); return s.Files == 2 && s.Missing == 0 })
	c.node("b").write("temp/y", "y")
	c.node("b").write("g", "g")
	c.hold2(map[string]string{"f": "f", "g": "g", "temp/x": "x"}, "a")
}
