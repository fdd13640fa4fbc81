package release

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sum is the hash of a test's content.
func sum(s string) Hash { return sha256.Sum256([]byte(s)) }

// files makes files from "path=content"; a content that ends in "+x" may be
// executed.
func files(specs ...string) []File {
	var out []File
	for _, s := range specs {
		path, text, _ := strings.Cut(s, "=")
		out = append(out, File{Path: path, Size: int64(len(text)), SHA256: sum(text), Exec: strings.HasSuffix(text, "+x")})
	}
	return out
}

// specs is the other way round, with contents looked up in known.
func specs(m *Manifest, known ...string) []string {
	contents := make(map[Hash]string)
	for _, s := range known {
		_, text, _ := strings.Cut(s, "=")
		contents[sum(text)] = text
	}
	var out []string
	for _, f := range m.Files {
		out = append(out, f.Path+"="+contents[f.SHA256])
	}
	return out
}

func mustNew(t testing.TB, parent *Manifest, specs ...string) *Manifest {
	t.Helper()
	m, err := New(parent, Draft{Kind: Patch, Origin: "server-1", Time: epoch, Files: files(specs...)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNew(t *testing.T) {
	one := mustNew(t, nil, "b=1", "a=1", "c/d=1")
	if one.Number != 1 || !one.Parent.IsZero() || len(one.Deleted) != 0 {
		t.Errorf("first release: %+v", one)
	}
	if got := specs(one, "=1"); !slices.Equal(got, []string{"a=1", "b=1", "c/d=1"}) {
		t.Errorf("files %q", got)
	}
	two := mustNew(t, one, "a=2", "e=2")
	if two.Number != 2 || two.Parent != one.Ref() {
		t.Errorf("second release is %d on %s", two.Number, two.Parent)
	}
	want := []Deletion{{"b", sum("1")}, {"c/d", sum("1")}}
	if !slices.Equal(two.Deleted, want) {
		t.Errorf("deleted %v", two.Deleted)
	}
	if err := two.Follows(one); err != nil {
		t.Error(err)
	}
	if got := Summarize(Changes(one, two)); got != (Summary{Added: 1, Modified: 1, Deleted: 2, Bytes: 2}) || got.String() != "+1 ~1 −2" {
		t.Errorf("summary %+v", got)
	}
	for path, h := range map[string]Hash{"a": sum("2"), "b": sum("1")} {
		if !two.Said(path, h) || two.Said(path, sum("x")) || two.Said("x"+path, h) {
			t.Errorf("what release 2 said of %s is wrong", path)
		}
	}
	local := time.FixedZone("CST", 8*3600)
	m, err := New(nil, Draft{Kind: Deploy, Origin: "s", Time: time.Date(2026, 3, 1, 20, 0, 0, 1234567, local)})
	if err != nil || !m.Time.Equal(epoch.Add(time.Millisecond)) || m.Time.Location() != time.UTC {
		t.Errorf("time %s, %v", m.Time, err)
	}
}

func TestRevert(t *testing.T) {
	one := mustNew(t, nil, "a=1", "b=1")
	two := mustNew(t, one, "a=2", "b=1", "c=2")
	three, err := Revert(two, one, "booster", epoch, "c was wrong")
	if err != nil {
		t.Fatal(err)
	}
	if got := specs(three, "=1", "=2"); !slices.Equal(got, []string{"a=1", "b=1"}) {
		t.Errorf("files %q", got)
	}
	if three.Number != 3 || three.Kind != Rollback || !slices.Equal(three.Deleted, []Deletion{{"c", sum("2")}}) {
		t.Errorf("%+v", three)
	}
	if err := three.Follows(two); err != nil {
		t.Error(err)
	}
}

func TestFollows(t *testing.T) {
	one := mustNew(t, nil, "a=1", "b=1")
	other := mustNew(t, nil, "a=1", "b=2")
	good := func() *Manifest { return mustNew(t, one, "a=2") }
	tests := []struct {
		name   string
		break_ func(m *Manifest)
		parent *Manifest
		want   string
	}{
		{"right", func(*Manifest) {}, one, ""},
		{"first without parent", func(m *Manifest) { *m = *one }, nil, ""},
		{"another parent of that number", func(*Manifest) {}, other, "parent is 1-"},
		{"parent that should not be", func(*Manifest) {}, nil, "not none"},
		{"hidden deletion", func(m *Manifest) { m.Deleted = nil }, one, "deletions are not"},
		{"deletion of what was never there", func(m *Manifest) {
			m.Deleted = append(m.Deleted, Deletion{"z", sum("1")})
		}, one, "deletions are not"},
		{"deletion of another content", func(m *Manifest) { m.Deleted[0].SHA256 = sum("9") }, one, "deletions are not"},
	}
	for _, tt := range tests {
		m := good()
		tt.break_(m)
		err := m.Follows(tt.parent)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		break_ func(m *Manifest)
		want   string
	}{
		{"right", func(*Manifest) {}, ""},
		{"no number", func(m *Manifest) { m.Number = 0 }, "no number"},
		{"skipped number", func(m *Manifest) { m.Number = 9 }, "does not follow"},
		{"parent without hash", func(m *Manifest) { m.Parent.Hash = Hash{} }, "don't agree"},
		{"hash without parent", func(m *Manifest) { m.Number, m.Parent.Number = 1, 0 }, "don't agree"},
		{"unknown kind", func(m *Manifest) { m.Kind = "joke" }, "kind"},
		{"no time", func(m *Manifest) { m.Time = time.Time{} }, "time"},
		{"local time", func(m *Manifest) { m.Time = m.Time.In(time.FixedZone("", 1)) }, "time"},
		{"far future", func(m *Manifest) { m.Time = m.Time.AddDate(9000, 0, 0) }, "time"},
		{"no origin", func(m *Manifest) { m.Origin = "" }, "origin"},
		{"origin that leaves", func(m *Manifest) { m.Origin = ".." }, "origin"},
		{"origin with a slash", func(m *Manifest) { m.Origin = "a/b" }, "origin"},
		{"long origin", func(m *Manifest) { m.Origin = strings.Repeat("a", 129) }, "origin"},
		{"note of two lines", func(m *Manifest) { m.Note = "a\nb" }, "note"},
		{"long note", func(m *Manifest) { m.Note = strings.Repeat("a", 1025) }, "note"},
		{"unsorted", func(m *Manifest) { slices.Reverse(m.Files) }, "not sorted"},
		{"twice", func(m *Manifest) { m.Files = append(m.Files, m.Files[len(m.Files)-1]) }, "twice"},
		{"another case", func(m *Manifest) { m.Files = files("A=1", "a=1") }, "case is ignored"},
		{"file as folder", func(m *Manifest) { m.Files = files("a=1", "a/b=1") }, "is a file"},
		{"bad path", func(m *Manifest) { m.Files[0].Path = "../a" }, "not a name"},
		{"no hash", func(m *Manifest) { m.Files[0].SHA256 = Hash{} }, "no hash"},
		{"negative size", func(m *Manifest) { m.Files[0].Size = -1 }, "-1 bytes"},
		{"too much", func(m *Manifest) { m.Files[0].Size = MaxTotal + 1 }, "holds 0 to"},
		{"too much together", func(m *Manifest) { m.Files[0].Size, m.Files[1].Size = MaxTotal, 1 }, "holds 0 to"},
		{"too many files", func(m *Manifest) { m.Files = make([]File, MaxFiles+1) }, "files, more than"},
		{"too many deletions", func(m *Manifest) { m.Deleted = make([]Deletion, MaxFiles+1) }, "deletions, more than"},
		{"deleted and there", func(m *Manifest) { m.Deleted[0].Path = "a" }, "among the files"},
		{"deletion without hash", func(m *Manifest) { m.Deleted[0].SHA256 = Hash{} }, "no hash"},
		{"bad deletion", func(m *Manifest) { m.Deleted[0].Path = "/a" }, "absolute"},
		{"deleted twice", func(m *Manifest) { m.Deleted = append(m.Deleted, m.Deleted[0]) }, "there twice"},
		{"first that deletes", func(m *Manifest) { m.Number, m.Parent = 1, Ref{} }, "first release deletes"},
	}
	for _, tt := range tests {
		m := mustNew(t, mustNew(t, nil, "a=1", "b=1", "z=1"), "a=2", "b=2")
		tt.break_(m)
		m.sum = Hash{} // nobody has found this one valid
		err := m.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if _, eerr := m.Encode(); (eerr == nil) != (err == nil) {
			t.Errorf("%s: encodes: %v", tt.name, eerr)
		}
	}
}

func TestRebase(t *testing.T) {
	tests := []struct {
		name               string
		base, ours, theirs []string
		want               []string // nil: nothing left to publish
		conflicts          []string // path: ours | theirs | with
	}{
		{"different files", []string{"a=1", "b=1"}, []string{"a=2", "b=1"}, []string{"a=1", "b=3"},
			[]string{"a=2", "b=3"}, nil},
		{"each adds one", []string{"a=1"}, []string{"a=1", "b=2"}, []string{"a=1", "c=3"},
			[]string{"a=1", "b=2", "c=3"}, nil},
		{"each deletes one", []string{"a=1", "b=1", "c=1"}, []string{"b=1", "c=1"}, []string{"a=1", "c=1"},
			[]string{"c=1"}, nil},
		{"the same change", []string{"a=1"}, []string{"a=2"}, []string{"a=2"}, nil, nil},
		{"the same addition and another", []string{}, []string{"a=2", "b=2"}, []string{"a=2"}, []string{"a=2", "b=2"}, nil},
		{"the same deletion", []string{"a=1", "b=1"}, []string{"b=1"}, []string{"b=1"}, nil, nil},
		{"the same file", []string{"a=1"}, []string{"a=2"}, []string{"a=3"}, nil, []string{"a: 2 | 3 |"}},
		{"the same new file", []string{}, []string{"a=2"}, []string{"a=3"}, nil, []string{"a: 2 | 3 |"}},
		{"one conflict, one change", []string{"a=1", "b=1"}, []string{"a=2", "b=2"}, []string{"a=3", "b=1"},
			[]string{"a=3", "b=2"}, []string{"a: 2 | 3 |"}},
		{"executable against content", []string{"a=1"}, []string{"a=1+x"}, []string{"a=3"}, nil, []string{"a: 1+x | 3 |"}},
		{"we delete what they modified", []string{"a=1"}, []string{}, []string{"a=3"}, nil, []string{"a: none | 3 |"}},
		{"we modify what they deleted", []string{"a=1", "b=1"}, []string{"a=2", "b=1"}, []string{"b=1"}, nil, []string{"a: 2 | none |"}},
		{"we don't touch what they deleted", []string{"a=1", "b=1"}, []string{"a=1", "b=2"}, []string{"b=1"}, []string{"b=2"}, nil},
		{"our folder is their file", []string{}, []string{"a/b=2"}, []string{"a=3"}, nil, []string{"a/b: 2 | none | a"}},
		{"our file is their folder", []string{}, []string{"a=2"}, []string{"a/b=3"}, nil, []string{"a: 2 | none | a"}},
		{"our name in their case", []string{}, []string{"A.py=2"}, []string{"a.py=3"}, nil, []string{"A.py: 2 | none | a.py"}},
		{"we spell a name anew", []string{"a.py=1"}, []string{"A.py=1"}, []string{"a.py=1", "b=3"}, []string{"A.py=1", "b=3"}, nil},
		{"we spell a name anew that they modified", []string{"a.py=1"}, []string{"A.py=1"}, []string{"a.py=3"}, nil,
			[]string{"A.py: 1 | none | a.py", "a.py: none | 3 |"}},
		{"our file becomes a folder", []string{"a=1"}, []string{"a/b=2"}, []string{"a=1", "c=3"}, []string{"a/b=2", "c=3"}, nil},
		{"no base", nil, []string{"a=2", "b=2"}, []string{"a=3"}, []string{"a=3", "b=2"}, []string{"a: 2 | 3 |"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var base *Manifest
			if tt.base != nil {
				base = mustNew(t, nil, tt.base...)
			}
			ours, theirs := mustNew(t, base, tt.ours...), mustNew(t, base, tt.theirs...)
			r, err := Rebase(base, ours, theirs)
			if err != nil {
				t.Fatal(err)
			}
			known := slices.Concat(tt.base, tt.ours, tt.theirs)
			switch {
			case r.Manifest == nil && tt.want != nil:
				t.Error("nothing to publish")
			case r.Manifest != nil:
				if got := specs(r.Manifest, known...); !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if err := r.Manifest.Follows(theirs); err != nil {
					t.Error(err)
				}
				if r.Manifest.Origin != ours.Origin || r.Manifest.Kind != ours.Kind || !r.Manifest.Time.Equal(ours.Time) {
					t.Errorf("%+v", r.Manifest)
				}
			}
			var got []string
			for _, c := range r.Conflicts {
				got = append(got, strings.TrimRight(fmt.Sprintf("%s: %s | %s | %s", c.Path, textOf(c.Ours, known), textOf(c.Theirs, known), c.With), " "))
			}
			if !slices.Equal(got, tt.conflicts) {
				t.Errorf("conflicts %q, want %q", got, tt.conflicts)
			}
		})
	}
}

func textOf(f *File, known []string) string {
	if f == nil {
		return "none"
	}
	for _, s := range known {
		if _, text, _ := strings.Cut(s, "="); sum(text) == f.SHA256 {
			return text
		}
	}
	return "?"
}

// TestRebaseOverSeveral rebases on a head that came from base through others.
func TestRebaseOverSeveral(t *testing.T) {
	base := mustNew(t, nil, "a=1", "b=1")
	ours := mustNew(t, base, "a=2", "b=1")
	head := mustNew(t, mustNew(t, mustNew(t, base, "a=1", "b=3"), "a=1", "b=1"), "a=1", "b=4")
	r, err := Rebase(base, ours, head)
	if err != nil || r.Manifest == nil || r.Manifest.Number != head.Number+1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := specs(r.Manifest, "=1", "=2", "=4"); !slices.Equal(got, []string{"a=2", "b=4"}) {
		t.Errorf("files %q", got)
	}
}
