package textdiff

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/release"
)

// blobs opens what tests have put into it.
type blobs map[release.Hash]string

func (b blobs) open(h release.Hash) (io.ReadCloser, error) {
	text, ok := b[h]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func (b blobs) file(path, text string, exec bool) *release.File {
	h := release.Hash(sha256.Sum256([]byte(text)))
	b[h] = text
	return &release.File{Path: path, Size: int64(len(text)), SHA256: h, Exec: exec}
}

func TestWrite(t *testing.T) {
	b := blobs{}
	lost := b.file("lost.py", "nobody has it", false)
	delete(b, lost.SHA256)
	long := strings.Repeat("x", 100) + "\n"
	tests := []struct {
		name     string
		old, new *release.File
		cfg      Config
		want     string
	}{
		{"modified", b.file("a.py", "one\ntwo\nthree\n", false), b.file("a.py", "one\n2\nthree\n", false), Config{Old: "6", New: "7"},
			"~ a.py (14 → 12 bytes)\n--- 6/a.py\n+++ 7/a.py\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"},
		{"added", nil, b.file("a.sh", "one\n", true), Config{},
			"+ a.sh (4 bytes, may be executed)\n--- /dev/null\n+++ b/a.sh\n@@ -0,0 +1 @@\n+one\n"},
		{"deleted", b.file("a.py", "one\n", false), nil, Config{},
			"− a.py (4 bytes)\n--- a/a.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n"},
		{"executable", b.file("a", "one\n", false), b.file("a", "one\n", true), Config{},
			"~ a (4 → 4 bytes, may be executed now)\n"},
		{"not executable", b.file("a", "one\n", true), b.file("a", "one\n", false), Config{},
			"~ a (4 → 4 bytes, may not be executed any more)\n"},
		{"no end of line", nil, b.file("a", "one", false), Config{},
			"+ a (3 bytes)\n--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+one\n\\ No newline at end of file\n"},
		{"binary", nil, b.file("a.bin", "one\x00", false), Config{}, "+ a.bin (4 bytes)\n  binary\n"},
		{"not UTF-8", nil, b.file("a.bin", "\xa4\xa4", false), Config{}, "+ a.bin (2 bytes)\n  binary\n"},
		{"terminal escape", nil, b.file("a.txt", "\x1b[2J", false), Config{}, "+ a.txt (4 bytes)\n  binary\n"},
		{"text that runs backwards", nil, b.file("a.txt", "\u202eabc", false), Config{}, "+ a.txt (6 bytes)\n  binary\n"},
		{"Chinese", nil, b.file("a.txt", "開單成功\n", false), Config{},
			"+ a.txt (13 bytes)\n--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1 @@\n+開單成功\n"},
		{"missing", lost, nil, Config{}, "− lost.py (13 bytes)\n  not compared: this node no longer has the content\n"},
		{"long file", nil, b.file("a", long, false), Config{MaxFile: 100},
			"+ a (101 bytes)\n  not compared: longer than 100 bytes\n"},
		{"long diff", nil, b.file("a", long, false), Config{MaxOutput: 100},
			"+ a (101 bytes)\n  not shown: the answer would be too long\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Open = b.open
			c := release.Change{Old: tt.old, New: tt.new}
			for _, f := range []*release.File{tt.old, tt.new} {
				if f != nil {
					c.Path = f.Path
				}
			}
			var out bytes.Buffer
			if err := Write(&out, []release.Change{c}, tt.cfg); err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", &out, tt.want)
			}
		})
	}
}

// TestWriteStops names every path also when the answer has become long.
func TestWriteStops(t *testing.T) {
	b := blobs{}
	text := strings.Repeat("line\n", 20)
	changes := []release.Change{
		{Path: "a", New: b.file("a", text, false)},
		{Path: "b", New: b.file("b", text+"b", false)},
		{Path: "c", New: b.file("c", text+"c", false)},
	}
	var out bytes.Buffer
	if err := Write(&out, changes, Config{Open: b.open, MaxOutput: 200}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"+ a (", "+ b (", "+ c (", "not shown: the answer would be too long"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
	if out.Len() > 500 {
		t.Errorf("%d bytes:\n%s", out.Len(), &out)
	}
}

func TestWriteFails(t *testing.T) {
	b := blobs{}
	f := b.file("a", "one\n", false)
	broken := errors.New("disk on fire")
	tests := map[string]func(release.Hash) (io.ReadCloser, error){
		"open":   func(release.Hash) (io.ReadCloser, error) { return nil, broken },
		"longer": func(release.Hash) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("one\ntwo\n")), nil },
	}
	for name, open := range tests {
		if err := Write(io.Discard, []release.Change{{Path: "a", New: f}}, Config{Open: open}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := Write(io.Discard, nil, Config{}); err == nil {
		t.Error("no error without Open")
	}
}
