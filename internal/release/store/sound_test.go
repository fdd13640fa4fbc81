package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOpenSound: what the disk has damaged is not opened, makes room for a good copy,
// and what is whole is as if nobody had looked.
func TestOpenSound(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		harm    func(content []byte) []byte
	}{
		"small, changed": {"small", func(b []byte) []byte { b[1] ^= 1; return b }},
		"large, changed": {strings.Repeat("x", smallBlob+1), func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
		"large, cut":     {strings.Repeat("x", smallBlob+1), func(b []byte) []byte { return b[:smallBlob] }},
		"large, longer":  {strings.Repeat("x", smallBlob+1), func(b []byte) []byte { return append(b, 'y') }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			h := sum(c.content)
			putAll(t, s, c.content, "beside it")
			clear(s.fresh) // as minutes later
			b, err := s.OpenSound(h)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(b); err != nil || string(got) != c.content {
				t.Errorf("%d bytes were read: %v", len(got), err)
			}
			b.Close()
			if large := len(c.content) > smallBlob; large != (time.Since(s.fresh[h]) < freshTime) {
				t.Errorf("fresh since %s", s.fresh[h])
			}
			clear(s.fresh)

			harmFile(t, dir, c.content, c.harm)
			_, err = s.OpenSound(h)
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("a damaged blob: %v", err)
			}
			if _, err := s.OpenSound(h); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
				t.Errorf("the damaged blob is still there: %v", err)
			}
			putAll(t, s, c.content)
			if b, err = s.OpenSound(h); err != nil {
				t.Fatal(err)
			}
			b.Close()
			if b, err = s.OpenSound(sum("beside it")); err != nil {
				t.Fatal(err)
			}
			b.Close()
		})
	}
}

// harmFile changes the one file of the store that has the content.
func harmFile(t *testing.T, dir, content string, harm func([]byte) []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		i := bytes.Index(b, []byte(content))
		if err != nil || i < 0 {
			return err
		}
		end := i + len(content)
		return os.WriteFile(path, append(append(b[:i:i], harm([]byte(content))...), b[end:]...), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFreshAtOnce: who finds a blob while it is put in place need not hash it.
func TestFreshAtOnce(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range 20 {
		text := strings.Repeat("x", smallBlob+1+i)
		found := make(chan bool)
		go func() {
			for {
				if b, err := s.Open(sum(text)); err == nil {
					found <- b.Fresh()
					b.Close()
					return
				}
			}
		}()
		put(t, s, text)
		if !<-found {
			t.Fatalf("blob %d was not fresh", i)
		}
	}
}
