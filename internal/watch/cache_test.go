package watch

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

func sampleFiles() []*file {
	return []*file{
		{path: "a", stamp: stamp{size: 1, mtime: -5, ctime: 1 << 60, ino: 1<<64 - 1, exec: true}, sum: [32]byte{1, 2}, hashed: true},
		{path: "b/名前", stamp: stamp{size: 1 << 40}, hashed: true},
		{path: "not hashed"},
		{path: "racy", hashed: true, recheck: time.Unix(1, 0)},
	}
}

func TestCacheRoundTrip(t *testing.T) {
	files := sampleFiles()
	got, err := decodeCache(encodeCache(files))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]cached{}
	for _, f := range files[:2] {
		want[f.path] = cached{f.stamp, f.sum}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// sealed is body with the magic line and the right hash.
func sealed(body string) []byte {
	b := []byte(cacheMagic + body)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func TestCacheDamaged(t *testing.T) {
	good := encodeCache(sampleFiles())
	for i := range good {
		if _, err := decodeCache(good[:i]); err == nil {
			t.Errorf("cut after %d bytes: taken", i)
		}
		flipped := bytes.Clone(good)
		flipped[i] ^= 0x10
		if _, err := decodeCache(flipped); err == nil {
			t.Errorf("byte %d flipped: taken", i)
		}
	}
	for name, body := range map[string]string{
		"a path longer than the file": "\xff\xff\xff\xff\x0fabc",
		"a length that never ends":    strings.Repeat("\xff", 20),
		"no path":                     "\x00\x00\x00\x00\x00\x00" + strings.Repeat("h", 32),
		"a flag that is none":         "\x01a\x00\x00\x00\x00\x02" + strings.Repeat("h", 32),
		"a hash cut short":            "\x01a\x00\x00\x00\x00\x00" + strings.Repeat("h", 31),
		"a NUL in the path":           "\x01\x00\x00\x00\x00\x00\x00" + strings.Repeat("h", 32),
	} {
		if _, err := decodeCache(sealed(body)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := decodeCache(sealed("\x01a\x00\x00\x00\x00\x00" + strings.Repeat("h", 32))); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// sure waits until no hash needs to be checked again.
func (f *folder) sure() {
	f.Helper()
	observe.Eventually(f, "hashes are checked", func() bool {
		racy := 0
		f.w.do(func() {
			for _, file := range f.w.survey.files {
				if !file.hashed || !file.recheck.IsZero() {
					racy++
				}
			}
		})
		return racy == 0
	})
}

// The hashes outlive a restart: a file whose stamp is the same is not read again.
func TestCacheFile(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.write("b", "two")
	cache := filepath.Join(t.TempDir(), "hashes")
	f.watch(Config{CacheFile: cache})
	f.accept()
	f.sure()
	f.must(f.w.Close())
	// As if a had other content: only the cache says so, and it is believed.
	entries, err := loadCache(cache)
	f.must(err)
	if len(entries) != 2 {
		t.Fatalf("%d entries in the cache file, want 2", len(entries))
	}
	forged := &file{path: "a", stamp: entries["a"].stamp, sum: [32]byte{9}, hashed: true}
	f.must(saveCache(cache, []*file{forged}))
	f.watch(Config{CacheFile: cache})
	tree := f.accept()
	if e, _ := tree.Get("a"); e.SHA256 != forged.sum {
		t.Error("a file whose stamp is in the cache was read again")
	}
	if !contentOf(tree, "b", "two") {
		t.Error("a file that is not in the cache is not as it is")
	}
	f.must(f.w.Close())

	// With another stamp, and with a damaged file, all is read.
	f.write("a", "three")
	f.watch(Config{CacheFile: cache})
	if !contentOf(f.accept(), "a", "three") {
		t.Error("the cache was believed for a changed file")
	}
	f.must(f.w.Close())
	f.must(os.WriteFile(cache, []byte("nonsense"), 0o600))
	f.watch(Config{CacheFile: cache})
	if !contentOf(f.accept(), "a", "three") {
		t.Error("with a damaged cache")
	}
	if !strings.Contains(f.log.String(), "hashed anew") {
		t.Error("a damaged cache is not in the log")
	}
	f.sure()
	f.must(f.w.Close())
	if entries, err := loadCache(cache); err != nil || len(entries) != 2 {
		t.Errorf("the damaged cache was not replaced: %d entries, %v", len(entries), err)
	}
}

// A cache that cannot be written is told once, and does no harm.
func TestCacheNotWritable(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{CacheFile: filepath.Join(t.TempDir(), "missing", "hashes"), Rescan: 10 * time.Millisecond})
	f.accept()
	for _, content := range []string{"two", "three"} {
		f.write("a", content)
		if got := f.change("~a"); got != "~a" {
			t.Errorf("changes %q", got)
		}
	}
	f.must(f.w.Close())
	if n := strings.Count(f.log.String(), "the hashes are not kept"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

func FuzzCache(f *testing.F) {
	f.Add(encodeCache(sampleFiles()), false)
	f.Add([]byte("\x01a\x00\x00\x00\x00\x00"+strings.Repeat("h", 32)), true)
	f.Add([]byte(nil), true)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal { // gets past the hash
			data = sealed(string(data))
		}
		entries, err := decodeCache(data)
		if err != nil {
			return
		}
		var files []*file
		for path, c := range entries {
			files = append(files, &file{path: path, stamp: c.stamp, sum: c.sum, hashed: true})
		}
		again, err := decodeCache(encodeCache(files))
		if err != nil || !maps.Equal(again, entries) {
			t.Errorf("written and read again: %v, %v", again, err)
		}
	})
}
