package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/release"
)

// putAll stores contents in one batch.
func putAll(t testing.TB, s *Store, texts ...string) {
	t.Helper()
	b := s.NewBatch()
	for _, text := range texts {
		if err := b.Put(strings.NewReader(text), sum(text), int64(len(text))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
}

func packs(t testing.TB, s *Store) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.packs, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestPack: small blobs share a file, are found again after a restart, and the limit
// is where it is said to be.
func TestPack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	texts := []string{"", "one", strings.Repeat("x", smallBlob)}
	large := strings.Repeat("x", smallBlob+1)
	putAll(t, s, append(texts, large)...)
	if got := packs(t, s); len(got) != 1 {
		t.Fatalf("%d packs", len(got))
	}
	s = open(t, dir)
	for _, text := range append(texts, large) {
		if get(t, s, sum(text)) != text {
			t.Errorf("%d bytes did not come back", len(text))
		}
	}
	if _, packed := s.placeOf(sum(large)); packed {
		t.Error("a large blob is in a pack")
	}
	putAll(t, s, texts...)
	if got := packs(t, s); len(got) != 1 {
		t.Errorf("%d packs for what was there", len(got))
	}
}

// TestPackSpare: of two packs with the same blobs, as of two batches at once, one goes;
// one that can't be read stays.
func TestPackSpare(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	a, b := s.NewBatch(), s.NewBatch()
	for _, put := range []struct {
		to   *Batch
		text string
	}{{a, "one"}, {a, "two"}, {b, "two"}, {b, "one"}} {
		if err := put.to.Put(strings.NewReader(put.text), sum(put.text), int64(len(put.text))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(a.Commit(), b.Commit()); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(s.packs, "damaged")
	if err := os.WriteFile(damaged, []byte("no pack"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := packs(t, s); len(got) != 3 {
		t.Fatalf("%q", got)
	}
	for range 2 {
		if count, _, err := s.GC(func(release.Hash) bool { return true }); count != 0 || err != nil {
			t.Errorf("%d blobs were removed, %v", count, err)
		}
		if got := packs(t, s); len(got) != 2 {
			t.Errorf("%q are left", got)
		}
		for _, text := range []string{"one", "two"} {
			if get(t, s, sum(text)) != text {
				t.Errorf("%s is gone", text)
			}
		}
		s = open(t, dir)
	}
	if _, err := os.Stat(damaged); err != nil {
		t.Error(err)
	}
}

// TestPackGC: a pack stays while half of it is needed, and then makes room.
func TestPackGC(t *testing.T) {
	s := open(t, t.TempDir())
	putAll(t, s, "aaa", "bbb", "ccc", "ddd")
	keep := func(texts ...string) func(release.Hash) bool {
		return func(h release.Hash) bool {
			for _, text := range texts {
				if sum(text) == h {
					return true
				}
			}
			return false
		}
	}
	gc := func(wantCount int, wantSize int64, texts ...string) {
		t.Helper()
		count, size, err := s.GC(keep(texts...))
		if err != nil || count != wantCount || size != wantSize {
			t.Errorf("%d blobs, %d bytes, %v", count, size, err)
		}
		for _, text := range texts {
			if get(t, s, sum(text)) != text {
				t.Errorf("%q did not stay", text)
			}
		}
		if n := unfinished(t, s); n != 0 {
			t.Errorf("%d unfinished files", n)
		}
	}
	gc(0, 0, "aaa", "ccc")
	reader, err := s.Open(sum("ddd"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	gc(3, 9, "ccc")
	if s.Has(sum("aaa")) || len(packs(t, s)) != 1 {
		t.Error("what is not needed stayed")
	}
	if b, err := io.ReadAll(reader); err != nil || string(b) != "ddd" {
		t.Errorf("what was open reads as %q, %v", b, err)
	}
	gc(1, 3)
	if got := packs(t, s); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// TestPackDamaged: what is damaged on the disk is missing, and nothing else is.
func TestPackDamaged(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"cut off":   func(b []byte) []byte { return b[:len(b)-1] },
		"empty":     func([]byte) []byte { return nil },
		"no pack":   func(b []byte) []byte { return bytes.Replace(b, []byte(packMagic), []byte("omfpack9"), 1) },
		"a list":    func(b []byte) []byte { b[len(b)-int(tailSize)-1] ^= 1; return b },
		"too many":  func(b []byte) []byte { b[len(b)-int(tailSize)] = 0x7f; return b },
		"none":      func(b []byte) []byte { copy(b[len(b)-int(tailSize):], make([]byte, 8)); return b },
		"a content": func(b []byte) []byte { return bytes.Replace(b, []byte("one"), []byte("ONE"), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			putAll(t, s, "one", "two")
			putAll(t, s, "three")
			p, _ := s.placeOf(sum("one"))
			file := filepath.Join(s.packs, p.pack)
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damage(b), 0o600); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir)
			if get(t, s, sum("three")) != "three" {
				t.Error("another pack is gone too")
			}
			if name == "a content" { // found by who reads it
				if err := s.Drop(sum("one")); err != nil || get(t, s, sum("two")) != "two" {
					t.Errorf("drop: %v", err)
				}
			}
			if s.Has(sum("one")) {
				t.Error("what is damaged is not missing")
			}
			putAll(t, s, "one", "two")
			if get(t, s, sum("one")) != "one" || get(t, s, sum("two")) != "two" {
				t.Error("it did not come back")
			}
		})
	}
}

// TestFresh: a blob that was just written is fresh, and no more after a restart.
func TestFresh(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	text := strings.Repeat("x", smallBlob+1)
	putAll(t, s, text)
	for _, want := range []bool{true, false} {
		b, err := s.Open(sum(text))
		if err != nil {
			t.Fatal(err)
		}
		if b.Fresh() != want {
			t.Errorf("fresh: %t", b.Fresh())
		}
		var copied bytes.Buffer
		first := make([]byte, 5)
		if _, err := io.ReadFull(b, first); err != nil {
			t.Fatal(err)
		}
		if _, err := b.WriteTo(&copied); err != nil || string(first)+copied.String() != text {
			t.Errorf("%d bytes were copied, %v", copied.Len(), err)
		}
		if info, err := b.Stat(); err != nil || info.Size() != int64(len(text)) {
			t.Errorf("%v, %v", info, err)
		}
		b.Close()
		s = open(t, dir)
	}
}

// FuzzPackList: whatever is in a pack's file, what it is said to hold lies inside.
func FuzzPackList(f *testing.F) {
	s := open(f, f.TempDir())
	putAll(f, s, "one", "two")
	for _, file := range packs(f, s) {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[1:])
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		name := filepath.Join(dir, fmt.Sprint(len(b)))
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		entries, err := readList(file)
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.At < 0 || e.Size < 0 || e.At+e.Size > int64(len(b)) {
				t.Errorf("%+v is outside of %d bytes", e, len(b))
			}
		}
	})
}
