package patch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/release"
)

// harm cuts off the file of a release in a server's log.
func (s *server) harm(ref release.Ref) {
	s.c.t.Helper()
	file := filepath.Join(s.cfg.StateDir, "history", "manifests", fmt.Sprintf("%020d-%s.json", ref.Number, ref.Hash))
	if err := os.Truncate(file, 10); err != nil {
		s.c.t.Fatal(err)
	}
}

// TestUnreadableRelease: a server whose newest release is damaged on its disk gets it
// from another node, stages it, and publishes on top of it.
func TestUnreadableRelease(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1", "b": "1"})
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.allStaged()
	s2.stop()
	s2.harm(c.head())
	s2.start()
	c.allStaged()
	s2.write(content{"b": "3"})
	c.numbered(3)
	c.rollOut()
	for _, s := range []*server{s1, s2} {
		s.mustHold(content{"a": "2", "b": "3"})
	}
}

// TestUnreadableApplied: what nobody sends, and is here elsewhere, is taken from there.
func TestUnreadableApplied(t *testing.T) {
	c, s1, _ := two(t, content{"a": "1"})
	s1.stop()
	head := c.head()
	booster := c.booster
	s1.harm(head)
	c.setBooster(nil)
	s1.start()
	c.wait("the release to be mended", func() bool { _, err := s1.Get(head.Number); return err == nil })
	c.setBooster(booster)
	s1.write(content{"a": "2"})
	c.numbered(2)
}

// TestUnreadableNobody: that nobody has it is told, and it is asked for until somebody
// does.
func TestUnreadableNobody(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.allStaged()
	s2.stop()
	s2.harm(c.head())
	booster := c.booster
	c.setBooster(nil)
	s2.start()
	s2.Heard(booster.Head())
	c.wait("trouble", func() bool { return strings.Contains(s2.State().Trouble, "can't be read") })
	c.setBooster(booster)
	c.wait("staged", func() bool { return s2.State().Staged == booster.Head() && s2.State().Trouble == "" })
}

// TestDamagedIsNotSent: a server does not send a content that its disk has damaged, and
// gets it from another server by itself.
func TestDamagedIsNotSent(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	text := strings.Repeat("two", 100<<10)
	s1.write(content{"a": text})
	c.numbered(2)
	c.allStaged()
	s1.stop()
	h := release.Hash(sha256.Sum256([]byte(text)))
	file := filepath.Join(s1.cfg.StateDir, "blobs", "blobs", h.String()[:2], h.String()[2:])
	if err := os.WriteFile(file, []byte(strings.Replace(text, "t", "T", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s1.write(content{"a": "3"}) // nor is it in the folder
	s1.start()
	c.numbered(3)
	c.rollOut()
	c.wait("the content", func() bool {
		f, err := s1.OpenBlob(h)
		if errors.Is(err, fs.ErrNotExist) {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := io.ReadAll(f)
		if err != nil || string(got) != text {
			t.Fatalf("it sends %d bytes that are not the content, %v", len(got), err)
		}
		return true
	})
	if _, err := s2.OpenBlob(h); err != nil {
		t.Errorf("the other server: %v", err)
	}
}

// TestDamagedIsInTheFolder: what the disk has damaged in the store, and nobody else has,
// is sent, and stored again, from the folder.
func TestDamagedIsInTheFolder(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	s2.stop()
	s1.write(content{"a": "2"})
	c.numbered(2)
	c.allStaged()
	c.wait("the folder to be known to hold it", func() bool { return s1.holdsNow().Number == 2 })
	rewrite(t, s1, "2", "?")
	h := release.Hash(sha256.Sum256([]byte("2")))
	f, err := s1.OpenBlob(h)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err != nil || string(got) != "2" {
		t.Errorf("it sends %q: %v", got, err)
	}
	f.Close()
	c.wait("the content to be stored again", func() bool { return s1.blobs.Has(h) })
	s2.start()
	c.rollOut()
	s2.mustHold(content{"a": "2"})
}
