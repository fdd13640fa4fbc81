package release

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckPath(t *testing.T) {
	long := strings.Repeat("a", 255)
	tests := []struct {
		path string
		want string // part of the error; "" if the path is fine
	}{
		{"manage.py", ""},
		{"omformmodel/migrations/0001_initial.py", ""},
		{"omformflow/production/0b6f8a/1/main.py", ""},
		{".hidden", ""},
		{"a..b", ""},
		{" leading", ""},
		{"中文/表單.py", ""},
		{"backup.py~", ""},
		{"a~b", ""},
		{"console.py", ""},
		{"com.py", ""},
		{"com10.py", ""},
		{"com¹⁰.py", ""},
		{"nul.d/a~10000000.txt", "device"},
		{long, ""},
		{strings.Repeat(long[:127]+"/", 7) + long[:128], ""},

		{"", "empty path"},
		{strings.Repeat(long[:127]+"/", 7) + long[:129], "longer than 1024"},
		{long + "a", "longer than 255"},
		{"/etc/passwd", "absolute"},
		{"//server/share", "absolute"},
		{"a//b", "empty name"},
		{"a/", "empty name"},
		{".", "not a name"},
		{"..", "not a name"},
		{"../a", "not a name"},
		{"a/../../b", "not a name"},
		{"a/./b", "not a name"},
		{`a\b`, "backslash"},
		{`..\a`, "backslash"},
		{"C:/a", "character ':'"},
		{"a.py:stream", "character ':'"},
		{"what?", "character '?'"},
		{"a*", "character '*'"},
		{"a<b", "character '<'"},
		{"a|b", "character '|'"},
		{`a"b`, `character '"'`},
		{"a\x00b", "control"},
		{"a\nb", "control"},
		{"a\x7fb", "control"},
		{"a\u0085b", "control"},
		{"a\xffb", "UTF-8"},
		{"a./b", "dot or a space"},
		{"a /b", "dot or a space"},
		{"a.", "dot or a space"},
		{"...", "dot or a space"},
		{"CON", "device"},
		{"con.py", "device"},
		{"a/Aux.tar.gz", "device"},
		{"nul .txt", "device"},
		{"COM1", "device"},
		{"lpt9.log", "device"},
		{"com².txt", "device"},
		{"CONIN$", "device"},
		{"SETTIN~1.PY", "short name"},
		{"a~1", "short name"},
		{"omflow/settin~2.py", "short name"},
		{StagingDir, "applier's own"},
		{StagingDir + "/new/0", "applier's own"},
		{".OMFLOW-Staging/new/0", "applier's own"},
		{"a/" + StagingDir, ""},
	}
	for _, tt := range tests {
		err := CheckPath(tt.path)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%q: %v", tt.path, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%q: %v, want %q", tt.path, err, tt.want)
		}
	}
}

func TestFoldKey(t *testing.T) {
	same := [][]string{
		{"abc", "ABC", "aBc"},
		{"straße", "STRAße", "stra\u1e9ee"},
		{"k", "K", "\u212a"}, // Kelvin
		{"s", "S", "\u017f"}, // long s
		{"ω", "Ω", "\u2126"}, // Ohm
		{"ς", "σ", "Σ"},
	}
	for _, spellings := range same {
		for _, s := range spellings {
			if FoldKey(s) != FoldKey(spellings[0]) {
				t.Errorf("%q and %q differ", s, spellings[0])
			}
		}
	}
	for _, pair := range [][2]string{{"a", "b"}, {"ss", "ß"}, {"中", "國"}, {"i", "ı"}} {
		if FoldKey(pair[0]) == FoldKey(pair[1]) {
			t.Errorf("%q and %q are the same", pair[0], pair[1])
		}
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		name  string
		paths []string
		with  string // what the last one collides with; "" if it may be there
	}{
		{"beside each other", []string{"a", "b", "c/d", "c/e"}, ""},
		{"twice", []string{"a/b", "a/b"}, "a/b"},
		{"case of a file", []string{"a/b.py", "a/B.py"}, "a/b.py"},
		{"case of a folder", []string{"a/b.py", "A/c.py"}, "a"},
		{"case of a folder below", []string{"x/a/b.py", "x/A/c.py"}, "x/a"},
		{"file, then folder", []string{"a", "a/b"}, "a"},
		{"file, then folder further down", []string{"a", "a/b/c"}, "a"},
		{"folder, then file", []string{"a/b", "a"}, "a"},
		{"folder, then file in another case", []string{"a/b", "A"}, "a"},
		{"file, then folder in another case", []string{"a", "A/b"}, "a"},
		{"a name that others begin with", []string{"a", "a.b/c", "ab/c"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNames(0)
			last := len(tt.paths) - 1
			for _, p := range tt.paths[:last] {
				if with, ok := n.add(p); !ok {
					t.Fatalf("%q collides with %q", p, with)
				}
			}
			before := len(n.taken)
			with, ok := n.add(tt.paths[last])
			if with != tt.with || ok != (tt.with == "") {
				t.Errorf("%q: %q, %v; want %q", tt.paths[last], with, ok, tt.with)
			}
			if !ok && len(n.taken) != before {
				t.Error("what collided is in the set")
			}
		})
	}
}

func FuzzCheckPath(f *testing.F) {
	for _, s := range []string{"a/b", "../a", "CON", "a\\b", "a\xff", "SETTIN~1.PY", ".omflow-staging/x", "com¹"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if CheckPath(s) != nil {
			return
		}
		if !utf8.ValidString(s) || len(s) > MaxPath || strings.ContainsAny(s, "\\\x00\n:*?\"<>|") || s[0] == '/' {
			t.Errorf("%q was let through", s)
		}
		for part := range strings.SplitSeq(s, "/") {
			if part == "" || part == "." || part == ".." || len(part) > 255 {
				t.Errorf("%q was let through with the name %q", s, part)
			}
		}
	})
}
