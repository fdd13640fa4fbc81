package release

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// grown is a release of some files, and one after it: files are path=text.
func grown(t testing.TB, files, then string) (parent, m *Manifest) {
	t.Helper()
	list := func(text string) (out []File) {
		for _, f := range strings.Fields(text) {
			path, content, _ := strings.Cut(f, "=")
			out = append(out, File{Path: path, Size: int64(len(content)), SHA256: sum(content)})
		}
		return out
	}
	parent, err := New(nil, Draft{Kind: Patch, Origin: "s", Time: epoch, Files: list(files)})
	if err == nil {
		m, err = New(parent, Draft{Kind: Patch, Origin: "s", Time: epoch, Note: "ü", Files: list(then)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return parent, m
}

// finder knows one release, whatever it is called.
func finder(m *Manifest) func(Ref) *Manifest { return func(Ref) *Manifest { return m } }

func TestDelta(t *testing.T) {
	const files = "a=1 b=1 c=1 d=1 e=1 f=1"
	for then, travels := range map[string]bool{
		files:                              true,
		"a=2 b=1 c=1 d=1 e=1 f=1":          true,
		"b=1 c=1 d=1 e=1 f=1":              true,
		"a=1 b=1 c=1 d=1 e=1":              true,
		"0/x=1 a=1 b=1 bb=1 c=1 d=1 e=1":   true,
		"a=1 b=2 c/x=1 d=1 e=1 f=1 g=1":    true,
		"b=1":                              true,
		"":                                 true,
		"a=1 b=1 c=2 d=2 e=2 f=2":          false, // most of it is new
		"a/x=1 b/x=1 c/x=1 d=1 e=1":        false,
		"a=1 b=1 c=1 x=1 y=1 z=1 zz=1 w=1": false,
	} {
		parent, m := grown(t, files, then)
		b := m.Delta()
		if (b != nil) != travels || m.HasDelta() != travels {
			t.Errorf("%q: delta of %d bytes", then, len(b))
		}
		if b == nil {
			continue
		}
		back, err := DecodeDelta(b, func(r Ref) *Manifest {
			if r != parent.Ref() {
				t.Errorf("asked for %s", r)
			}
			return parent
		})
		if err != nil {
			t.Errorf("%q: %v", then, err)
			continue
		}
		if back.Ref() != m.Ref() || !slices.Equal(back.Files, m.Files) || back.Follows(parent) != nil {
			t.Errorf("%q: %+v", then, back)
		}
		// Who got it so can pass it on so.
		if again := back.Delta(); !bytes.Equal(again, b) {
			t.Errorf("%q: passed on as %q, not %q", then, again, b)
		}
	}
	first, _ := grown(t, files, "")
	b, err := first.Encode()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Decode(b)
	if err != nil || first.HasDelta() || whole.HasDelta() {
		t.Errorf("a release that follows none, or came whole, has a delta; %v", err)
	}
}

// TestDeltaIsShort: a small change of a large release travels as little.
func TestDeltaIsShort(t *testing.T) {
	var files []string
	for i := range 4500 {
		files = append(files, fmt.Sprintf("omformflow/production/%06d.py=1", i))
	}
	then := slices.Clone(files)
	then[7] += "2"
	_, m := grown(t, strings.Join(files, " "), strings.Join(then, " "))
	if n := len(m.Delta()); n > 600 {
		t.Errorf("%d bytes", n)
	}
}

func TestDeltaRefuses(t *testing.T) {
	parent, m := grown(t, "a=1 b=1 c=1", "a=2 b=1 c=1")
	other, _ := grown(t, "a=1 b=9 c=1", "")
	good := m.Delta()
	spoil := func(at int, with string) []byte {
		b := slices.Clone(good)
		copy(b[at:], with)
		return b
	}
	first, _ := grown(t, "x=1", "")
	hash := first.Hash()
	twice := *m
	twice.Files, twice.changed, twice.sum = files("A=1", "a=1", "b=1", "c=1"), files("A=1"), Hash{}
	for name, c := range map[string]struct {
		b  []byte
		on *Manifest
		no bool // for want of the parent
	}{
		"nothing":        {nil, parent, false},
		"cut off":        {good[:20], parent, false},
		"only a hash":    {good[:32], parent, false},
		"another hash":   {spoil(0, "another hash"), parent, false},
		"another text":   {spoil(len(good)-20, "x"), parent, false},
		"more":           {append(slices.Clone(good), ' '), parent, false},
		"another parent": {good, other, false},
		"no parent":      {good, nil, true},
		"the first one":  {first.append(hash[:]), parent, false},
		"a whole one":    {m.append(nil), parent, false},
		"a bad whole":    {twice.Delta(), parent, false},
	} {
		got, err := DecodeDelta(c.b, finder(c.on))
		if err == nil || got != nil || errors.Is(err, ErrNoParent) != c.no {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// FuzzDelta: what is made whole of a stranger's bytes is valid, and what its hash says.
func FuzzDelta(f *testing.F) {
	parent, m := grown(f, "a=1 b=1 c=1 d/e=1", "a=2 b=1 c=1 f=1")
	f.Add(m.Delta())
	f.Add(m.Delta()[:50])
	f.Add(m.append(nil))
	for _, m := range golden(f) {
		hash := m.Hash()
		f.Add(m.append(hash[:]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeDelta(b, finder(parent))
		if err != nil {
			return
		}
		text, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if hash := sum(string(text)); !bytes.HasPrefix(b, hash[:]) {
			t.Fatal("it has another hash")
		}
		if len(m.Files) > len(parent.Files)+bytes.Count(b, []byte("path")) {
			t.Fatalf("%d files", len(m.Files))
		}
	})
}
