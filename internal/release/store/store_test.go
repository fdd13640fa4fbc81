package store

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/omflow/booster/internal/release"
)

func sum(s string) release.Hash { return sha256.Sum256([]byte(s)) }

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, text string) release.Hash {
	t.Helper()
	if err := s.Put(strings.NewReader(text), sum(text), int64(len(text))); err != nil {
		t.Fatal(err)
	}
	return sum(text)
}

func get(t testing.TB, s *Store, h release.Hash) string {
	t.Helper()
	f, err := s.Open(h)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// unfinished counts files in tmp.
func unfinished(t testing.TB, s *Store) int {
	t.Helper()
	entries, err := os.ReadDir(s.tmp)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestPut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, text := range []string{"", "hello", strings.Repeat("x", 1<<20)} {
		h := put(t, s, text)
		if !s.Has(h) || get(t, s, h) != text {
			t.Errorf("%d bytes did not come back", len(text))
		}
	}
	h := sum(strings.Repeat("x", 1<<20))
	if _, err := os.Stat(filepath.Join(dir, "blobs", h.String()[:2], h.String()[2:])); err != nil {
		t.Error(err)
	}
	h = sum("hello")
	if got := get(t, open(t, dir), h); got != "hello" {
		t.Errorf("after opening again: %q", got)
	}
	// What is there needn't be sent again.
	if err := s.Put(iotest.ErrReader(errors.New("it was read")), h, 5); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(sum("nobody has it")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown blob: %v", err)
	}
	if n := unfinished(t, s); n != 0 {
		t.Errorf("%d unfinished files", n)
	}
}

func TestPutRefuses(t *testing.T) {
	tests := []struct {
		name string
		r    io.Reader
		size int64
		want string
	}{
		{"another content", strings.NewReader("jello"), 5, "another hash"},
		{"less", strings.NewReader("hell"), 5, "4 bytes, not the 5"},
		{"more", strings.NewReader("hello!"), 5, "longer than the 5"},
		{"without end", iotest.TimeoutReader(endless{}), 5, "longer than the 5"},
		{"breaks off", io.MultiReader(strings.NewReader("hel"), iotest.ErrReader(errors.New("peer is gone"))), 5, "peer is gone"},
		{"negative size", strings.NewReader("hello"), -1, "promised"},
	}
	s := open(t, t.TempDir())
	for _, tt := range tests {
		err := s.Put(tt.r, sum("hello"), tt.size)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if s.Has(sum("hello")) || unfinished(t, s) != 0 {
			t.Errorf("%s: something was kept", tt.name)
		}
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// fillers make contents of the two kinds: one that shares a file, one that has its own.
var fillers = map[string]string{"small": "", "large": strings.Repeat("x", smallBlob)}

func TestBatch(t *testing.T) {
	for name, filler := range fillers {
		t.Run(name, func(t *testing.T) { testBatch(t, filler) })
	}
}

func testBatch(t *testing.T, filler string) {
	s := open(t, t.TempDir())
	b := s.NewBatch()
	const n = 3*openFiles + 5
	for i := range n {
		text := fmt.Sprint("file ", i/2, filler) // each content twice
		if err := b.Put(strings.NewReader(text), sum(text), int64(len(text))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Put(strings.NewReader("bad"), sum("good"), 3); err == nil {
		t.Error("a wrong blob was taken")
	}
	if s.Has(sum("file 0" + filler)) {
		t.Error("a blob is there before the commit")
	}
	want := 1
	if filler != "" {
		want = (n + 1) / 2
	}
	if got := unfinished(t, s); got != want {
		t.Errorf("%d files for %d contents, not %d", got, (n+1)/2, want)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if text := fmt.Sprint("file ", i/2, filler); get(t, s, sum(text)) != text {
			t.Errorf("%q did not come back", text)
		}
	}
	if s.Has(sum("good")) || unfinished(t, s) != 0 {
		t.Error("something is left of the wrong blob")
	}
	b.Abort()
	if !s.Has(sum("file 0" + filler)) {
		t.Error("an abort after the commit took a blob away")
	}
	if b.Put(strings.NewReader("x"), sum("x"), 1) == nil || b.Commit() == nil {
		t.Error("a batch that has ended goes on")
	}
}

func TestBatchAbort(t *testing.T) {
	for _, filler := range fillers {
		s := open(t, t.TempDir())
		b := s.NewBatch()
		for i := range openFiles + 1 {
			text := fmt.Sprint("file ", i, filler)
			if err := b.Put(strings.NewReader(text), sum(text), int64(len(text))); err != nil {
				t.Fatal(err)
			}
		}
		b.Abort()
		if unfinished(t, s) != 0 || s.Has(sum("file 0"+filler)) {
			t.Error("something is left")
		}
	}
}

// TestCrash: what a batch wrote and did not commit is no blob, and is removed.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	b := s.NewBatch()
	if err := b.Put(strings.NewReader("hello"), sum("hello"), 5); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.tmp, "half"), []byte("hel"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if s.Has(sum("hello")) || unfinished(t, s) != 0 {
		t.Error("something is left")
	}
}

func TestPutFile(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "in", "a"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(home, "link")); err != nil {
		t.Skip(err)
	}
	root, err := os.OpenRoot(home)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := open(t, t.TempDir())
	b := s.NewBatch()
	if err := b.PutFile(root, "in/a", sum("hello"), 5); err != nil {
		t.Error(err)
	}
	if err := b.PutFile(root, "in/a", sum("jello"), 5); err == nil {
		t.Error("a file with another content was taken")
	}
	if err := b.PutFile(root, "link", sum("secret"), 6); err == nil {
		t.Error("a link out of the tree was followed")
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if get(t, s, sum("hello")) != "hello" {
		t.Error("the file did not come back")
	}
}

func TestMissing(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, "one")
	files := []release.File{
		{Path: "a", SHA256: sum("one")}, {Path: "b", SHA256: sum("two")}, {Path: "c", SHA256: sum("two")}, {Path: "d", SHA256: sum("three")},
	}
	got := s.Missing(files)
	if len(got) != 2 || got[0].Path != "b" || got[1].Path != "d" {
		t.Errorf("missing: %v", got)
	}
}

func TestGC(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	stays := put(t, s, "stays")
	put(t, s, "goes")
	put(t, s, "goes too")
	stranger := filepath.Join(s.blobs, "00", "README")
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	count, size, err := s.GC(func(h release.Hash) bool { return h == stays })
	if err != nil || count != 2 || size != int64(len("goes")+len("goes too")) {
		t.Errorf("%d blobs, %d bytes, %v", count, size, err)
	}
	if !s.Has(stays) || s.Has(sum("goes")) {
		t.Error("the wrong blobs went")
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error("a file that is no blob was removed")
	}
	if err := s.Drop(stays); err != nil || s.Has(stays) {
		t.Errorf("dropped blob: %v", err)
	}
	if err := s.Drop(stays); err != nil {
		t.Errorf("drop again: %v", err)
	}
}

// TestConcurrently puts the same contents from many sides while blobs are
// collected.
func TestConcurrently(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 20 {
				text := fmt.Sprint("file ", i)
				if err := s.Put(strings.NewReader(text), sum(text), int64(len(text))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			if _, _, err := s.GC(func(release.Hash) bool { return true }); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	for i := range 20 {
		if text := fmt.Sprint("file ", i); get(t, s, sum(text)) != text {
			t.Errorf("%q did not come back", text)
		}
	}
}

func TestConfig(t *testing.T) {
	if _, err := Open(Config{}); err == nil {
		t.Error("a store without a folder")
	}
	if _, err := Open(Config{Dir: filepath.Join(os.DevNull, "x")}); err == nil {
		t.Error("a store in a device")
	}
}

// FuzzPut: whatever comes, what is kept is what was promised.
func FuzzPut(f *testing.F) {
	f.Add([]byte("hello"), []byte("hello"), int64(5))
	f.Add([]byte("hello"), []byte("hell"), int64(5))
	s := open(f, f.TempDir())
	f.Fuzz(func(t *testing.T, promised, sent []byte, size int64) {
		h := release.Hash(sha256.Sum256(promised))
		err := s.Put(bytes.NewReader(sent), h, size)
		if right := bytes.Equal(promised, sent) && size == int64(len(sent)); (err == nil) != right {
			t.Errorf("%v", err)
		}
		if s.Has(h) != (err == nil) {
			t.Error("an error, and a blob")
		}
		if err := s.Drop(h); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkStore is the speed of a patch: 1,000 files of 4 kB, one of 100 MB.
func BenchmarkStore(b *testing.B) {
	for _, bench := range []struct{ files, size int }{{1000, 4 << 10}, {1, 100 << 20}} {
		b.Run(fmt.Sprintf("%dx%d", bench.files, bench.size), func(b *testing.B) {
			data := make([]byte, bench.size)
			rand.Read(data)
			b.SetBytes(int64(bench.files * bench.size))
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				s := open(b, b.TempDir())
				hashes := make([]release.Hash, bench.files)
				contents := make([][]byte, bench.files)
				for n := range contents {
					contents[n] = bytes.Clone(data)
					copy(contents[n], fmt.Sprint(n))
					hashes[n] = sha256.Sum256(contents[n])
				}
				b.StartTimer()
				batch := s.NewBatch()
				for n, c := range contents {
					if err := batch.Put(bytes.NewReader(c), hashes[n], int64(len(c))); err != nil {
						b.Fatal(err)
					}
				}
				if err := batch.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
