package patch

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
)

// spoil cuts a file of a server's state folder off, as a disk that was full may have.
func (s *server) spoil(file string) {
	s.c.t.Helper()
	path := filepath.Join(s.cfg.StateDir, file)
	info, err := os.Stat(path)
	if err != nil {
		s.c.t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		s.c.t.Fatal(err)
	}
}

// undone makes a release that takes the newest one back, as a booster does.
func (c *cluster) undone() {
	c.t.Helper()
	bad, err := c.booster.Get(c.head().Number)
	if err != nil {
		c.t.Fatal(err)
	}
	good, err := c.booster.Get(c.head().Number - 1)
	if err != nil {
		c.t.Fatal(err)
	}
	back, err := release.Revert(bad, good, "booster", time.Now(), "")
	if err == nil {
		err = c.booster.Propose(back, "booster")
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestDamagedApplied: a server whose note of the applied release is damaged finds out which
// one it is; where it can't tell, nothing of it is published, and nothing is lost.
func TestDamagedApplied(t *testing.T) {
	files := content{"a": "1", "b": "1"}
	t.Run("a release", func(t *testing.T) {
		c, s1, s2 := two(t, files)
		s1.write(content{"a": "2"})
		c.numbered(2)
		c.rollOut()
		s2.stop()
		s2.spoil("apply/applied.json")
		s2.start()
		c.wait("it knows", func() bool { return s2.State().Applied == c.head() })
		s2.write(content{"b": "2"})
		c.numbered(3)
		c.rollOut()
		s1.mustHold(content{"a": "2", "b": "2"})
	})
	t.Run("changed, and undone elsewhere", func(t *testing.T) {
		c, s1, s2 := two(t, files)
		s1.write(content{"a": "bad", "new": "bad"})
		c.numbered(2)
		c.rollOut()
		s2.stop()
		s2.write(content{"b": "mine", "extra": "mine"})
		s2.spoil("apply/applied.json")
		c.undone()
		c.rollOut()
		s2.start()
		c.allStaged()
		if got := s2.State().Applied; !got.IsZero() {
			t.Errorf("it is taken for release %s", got)
		}
		c.rollOut()
		c.quiet()
		if n := c.head().Number; n != 3 {
			t.Fatalf("release %d was made of a folder that is nobody knows what", n)
		}
		s1.mustHold(files)
		s2.mustHold(content{"a": "1", "b": "1", "extra": "mine"})
		if got := s2.conflicts(); !maps.Equal(got, content{"3-s2/b": "mine"}) {
			t.Errorf("kept aside: %v", got)
		}
		s2.write(content{"extra": "changed"})
		c.numbered(4)
	})
}

// TestDamagedGround: a server that has forgotten that it has published what its folder holds
// does not publish it again after it was undone; what was changed since is published.
func TestDamagedGround(t *testing.T) {
	for name, also := range map[string]content{"as published": nil, "changed since": {"b": "mine"}} {
		t.Run(name, func(t *testing.T) {
			c, s1, s2 := two(t, content{"a": "1", "b": "1"})
			s2.write(content{"a": "bad", "new": "bad"})
			c.numbered(2)
			c.allStaged()
			s2.stop()
			s2.write(also)
			s2.spoil(groundFile)
			c.undone()
			s2.start()
			want := content{"a": "1", "b": "1"}
			if also != nil {
				c.numbered(4)
				maps.Copy(want, also)
			}
			c.rollOut()
			c.quiet()
			s1.mustHold(want)
			s2.mustHold(want)
			if n := c.head().Number; also == nil && n != 3 {
				t.Errorf("release %d was made of what was undone", n)
			}
			if _, err := os.Stat(filepath.Join(s2.cfg.StateDir, groundFile+".damaged")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDamagedStrays: files that are in no release stay so.
func TestDamagedStrays(t *testing.T) {
	c := newCluster(t)
	c.add("s1", content{"a": "1"}, nil)
	c.numbered(1)
	s2 := c.add("s2", content{"a": "1", "notes": "mine"}, nil)
	c.rollOut()
	s2.stop()
	s2.spoil(straysFile)
	s2.start()
	c.allStaged()
	c.quiet()
	if n := c.head().Number; n != 1 {
		t.Fatalf("release %d was made of what was here before", n)
	}
	s2.write(content{"notes": "changed"})
	c.numbered(2)
}

// TestAnyDamaged: whatever file of the state folder is damaged, the server starts on its
// files, and what changes on any of them reaches all.
func TestAnyDamaged(t *testing.T) {
	state := func(s *server) (names []string) {
		err := filepath.WalkDir(s.cfg.StateDir, func(path string, d fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(s.cfg.StateDir, path)
			if err == nil && !d.IsDir() && !strings.HasSuffix(rel, ".damaged") && !strings.HasPrefix(filepath.ToSlash(rel), "apply/conflicts/") {
				names = append(names, rel)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	c := newCluster(t)
	s1 := c.add("s1", content{"a": "1", "b": "1", "c": "1"}, nil)
	c.numbered(1)
	s2 := c.add("s2", content{"a": "1", "b": "1", "c": "1", "stray": "mine"}, nil)
	c.rollOut()
	if err := s2.writeRestored(time.Now()); err != nil {
		t.Fatal(err)
	}
	edit := func(round string, s *server, path string) {
		n := c.head().Number
		s.write(content{path: round})
		c.numbered(n + 1)
		c.allStaged()
	}
	edit("begin", s2, "a")
	tried, a := make(map[string]bool), "begin"
	for _, file := range state(s2) {
		kind := filepath.Dir(file) + "/*" + filepath.Ext(file)
		if strings.HasPrefix(file, "blobs") || strings.HasPrefix(filepath.ToSlash(file), "history/manifests") {
			if tried[kind] {
				continue
			}
			tried[kind] = true
		}
		s2.stop()
		if _, err := os.Stat(filepath.Join(s2.cfg.StateDir, file)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		s2.spoil(file)
		s2.start()
		c.wait(file+" damaged: the server may start", func() bool { return s2.State().Blocked == "" })
		edit(file+" 1", s1, "b")
		c.rollOut()
		s1.mustHold(content{"a": a, "b": file + " 1", "c": "1"})
		a = file + " 2"
		edit(a, s2, "a")
		if got := s2.content()["stray"]; got != "mine" {
			t.Errorf("%s damaged: the stray is %q", file, got)
		}
		t.Log(file)
	}
}

// TestRestoredStays: a server that ran while files were gone is restarted also when the
// agent was.
func TestRestoredStays(t *testing.T) {
	files := content{}
	for _, n := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		files["lib/"+n] = n
	}
	c, _, s2 := two(t, files)
	s2.remove("lib")
	c.wait("suspicion", func() bool { return s2.State().Suspicious != "" })
	// What can't be written down is not done: a crash after it would hide it.
	file := filepath.Join(s2.cfg.StateDir, restoredFile)
	if err := os.MkdirAll(filepath.Join(file, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s2.Lost(t.Context(), api.Restore, ""); err == nil || len(s2.content()) > 0 {
		t.Errorf("%v, and the folder holds %d files", err, len(s2.content()))
	}
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	if err := s2.Lost(t.Context(), api.Restore, ""); err != nil {
		t.Fatal(err)
	}
	at := s2.State().Restored
	again := func() time.Time {
		s2.stop()
		s2.start()
		return s2.State().Restored
	}
	if got := again(); at.IsZero() || !got.Equal(at) {
		t.Errorf("files were brought back at %s, and after a start at %s", at, got)
	}
	s2.stop()
	// The clock was set back: no process that starts from now on ran before that.
	if err := s2.writeRestored(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	s2.start()
	got := s2.State().Restored
	if got.Before(begun) || got.After(time.Now()) {
		t.Errorf("brought back at %s, at a start at %s", got, begun)
	}
	if next := again(); !next.Equal(got) {
		t.Errorf("brought back at %s, and after another start at %s", got, next)
	}
	s2.stop()
	s2.spoil(restoredFile)
	s2.start()
	if got := s2.State().Restored; got.Before(begun) || got.After(time.Now()) {
		t.Errorf("when that was can't be read, and is %s", got)
	}
	s2.stop()
	// It can be neither read nor written: that stops no start.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(file, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	begun = time.Now()
	s2.start()
	if got := s2.State().Restored; got.Before(begun) {
		t.Errorf("when that was can't be read or written, and is %s", got)
	}
}
