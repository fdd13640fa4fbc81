package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/release"
)

// take brings a content in by an Intake.
func take(t testing.TB, s *Store, text string) *Intake {
	t.Helper()
	in := s.Take(int64(len(text)))
	if in == nil {
		t.Fatal("it is not taken")
	}
	for len(text) > 0 {
		n := min(len(text), 100_000)
		if _, err := in.Write([]byte(text[:n])); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	return in
}

// TestIntake: a large content that was read once is put without the file.
func TestIntake(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if s.Take(smallBlob) != nil {
		t.Error("a small content is taken")
	}
	text := strings.Repeat("intake", 100_000)
	if got := take(t, s, text).Keep(); got != sum(text) {
		t.Errorf("hash %x", got)
	}
	if s.Has(sum(text)) {
		t.Error("it is a blob before anybody has put it")
	}
	if got := get(t, s, sum(text)); got != text {
		t.Errorf("%d bytes can be read of it before that, not %d", len(got), len(text))
	}
	here, other := release.File{Size: int64(len(text)), SHA256: sum(text)}, release.File{Size: 1, SHA256: sum("x")}
	if got := s.ToWrite([]release.File{here, other}); !slices.Equal(got, []release.File{other}) {
		t.Errorf("to write: %v", got)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	b := s.NewBatch()
	if err := b.PutFile(root, "there is none", sum(text), int64(len(text))); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if get(t, open(t, dir), sum(text)) != text || unfinished(t, s) != 0 {
		t.Error("it did not come back")
	}
	take(t, s, text+"!").Discard()
	if n := unfinished(t, s); n != 0 {
		t.Errorf("%d files of what was discarded", n)
	}
}

// TestIntakeReads: whatever pieces a reader gives, and wherever it fails, what it gave is
// hashed and written, and the reading can go on.
func TestIntakeReads(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", piecesAhead*2*len(*buffers.Get().(*[]byte))/16) + "the end"
	broken := errors.New("the disk is broken")
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole":        func(r io.Reader) io.Reader { return r },
		"in halves":    iotest.HalfReader,
		"with its end": iotest.DataErrReader,
		"that is a failure": func(r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, 300_000), iotest.ErrReader(broken))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			in := s.Take(int64(len(text)))
			rest := strings.NewReader(text)
			n, err := in.ReadFrom(wrap(rest))
			if err != nil && !errors.Is(err, broken) {
				t.Fatal(err)
			}
			if int(n) != len(text)-rest.Len() || (err == nil) != (rest.Len() == 0) {
				t.Fatalf("%d bytes were taken, %d are left: %v", n, rest.Len(), err)
			}
			if more, err := in.ReadFrom(rest); err != nil || int(n+more) != len(text) {
				t.Fatalf("%d bytes more, %v", more, err)
			}
			if got := in.Keep(); got != sum(text) {
				t.Errorf("hash %x", got)
			}
			if got := get(t, s, sum(text)); got != text {
				t.Errorf("%d other bytes were written", len(got))
			}
		})
	}
}

// TestIntakeWithdrawn: one that nobody puts is not held for ever, an aborted batch
// takes it along, and neither leaves a file.
func TestIntakeWithdrawn(t *testing.T) {
	s := open(t, t.TempDir())
	text := func(i int) string { return fmt.Sprint(i) + strings.Repeat("x", smallBlob) }
	for i := range maxHeld + 3 {
		take(t, s, text(i)).Keep()
	}
	if n := unfinished(t, s); n != maxHeld {
		t.Errorf("%d contents are held", n)
	}
	newest := text(maxHeld + 2)
	b := s.NewBatch()
	if there, err := b.putHeld(sum(newest), int64(len(newest))); !there || err != nil {
		t.Errorf("the newest is not held: %v", err)
	}
	b.Abort()
	if n := unfinished(t, s); n != maxHeld-1 {
		t.Errorf("%d contents are left", n)
	}
}

// TestIntakeForgotten: what nobody puts is gone after a minute, whatever else happens.
func TestIntakeForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		take(t, s, strings.Repeat("x", smallBlob+1)).Keep()
		time.Sleep(heldTime / 2)
		take(t, s, strings.Repeat("y", smallBlob+1)).Keep()
		for _, want := range []int{2, 1, 0} {
			synctest.Wait()
			if n := unfinished(t, s); n != want {
				t.Errorf("%d contents are held, not %d", n, want)
			}
			time.Sleep(heldTime / 2)
		}
	})
}

// TestIntakeFails: where nothing can be written the hash is right, and nothing is held.
func TestIntakeFails(t *testing.T) {
	s := open(t, t.TempDir())
	text := strings.Repeat("x", smallBlob+1)
	in := s.Take(int64(len(text)))
	in.w.f.Close()
	for _, part := range []string{text[:1], text[1:]} {
		if _, err := in.Write([]byte(part)); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(in.w.failed.Error(), os.ErrClosed.Error()); n != 1 {
		t.Errorf("the same cause is told %d times", n)
	}
	if got := in.Keep(); got != sum(text) || len(s.held) != 0 || unfinished(t, s) != 0 {
		t.Errorf("hash %x, %d held", got, len(s.held))
	}
	if err := os.RemoveAll(s.tmp); err != nil {
		t.Fatal(err)
	}
	if s.Take(int64(len(text))) != nil {
		t.Errorf("a content is taken into %s, which is not there", filepath.Base(s.tmp))
	}
}
