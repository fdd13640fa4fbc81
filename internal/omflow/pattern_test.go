package omflow

import (
	"regexp"
	"strings"
	"testing"
)

func TestPatternMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		want          bool
	}{
		{"/a/b", "/a/b", true},
		{"/a/b", "/a/b/", true},
		{"/a/b/", "/a/b", true},
		{"/a/b", "/a/bc", false},
		{"/a/b", "/A/b", false},
		{"/a/b", "/a/%62", true},
		{"/a/*", "/a/", true},
		{"/a/*", "/a", true},
		{"/a/*", "/a/b/c", true},
		{"/a/*", "/ab", false},
		{"/a*", "/ab/c", true},
		{"*.php", "/x/y.php", true},
		{"*.php", "/y.php/z", false},
		{"*/admin/*", "/x/admin/y", true},
		{"*/admin/*", "/admin", true},
		{"*", "/", true},
		{"/a/*/c", "/a/b/c", true},
		{"/a/*/c", "/a/b/b/c/", true},
		{"/a/*/c", "/a/c", false},
		{"/a/*/c", "/a//c", false},
		{"/a/*/c", "/a/b/c/d", false},
		{"/a/*/c/*", "/a/b/c/d", true},
		{"/v*/x*y/z", "/v1/xay/z", true},
		{"/v*/x*y/z", "/v1/xy/z", false},
		{"/a/*/b/*/b", "/a/1/b/b/b", true},
		{"/工單/*", "/%E5%B7%A5%E5%96%AE/1", true},
	} {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		path, _ := decodePath(nil, tt.path)
		if got := p.match(path); got != tt.want {
			t.Errorf("pattern %q, path %q: %v, want %v", tt.pattern, tt.path, got, tt.want)
		}
	}
}

func TestAddRefusesBadPatterns(t *testing.T) {
	table := DefaultTable()
	for pattern, want := range map[string]string{
		"":                             "is empty",
		"api/x":                        "must begin with",
		"/a/**":                        "two stars",
		"/a?x=1":                       "query",
		"/a#b":                         "query or fragment",
		"/a%20b":                       "write the character itself",
		"/a\nb":                        "control characters",
		"/a\xffb":                      "not UTF-8",
		"/a;b":                         "semicolon",
		"/a//b":                        "dot segments",
		"/a/../b":                      "dot segments",
		"/a/.":                         "dot segments",
		"/" + strings.Repeat("*a", 9):  "stars",
		"/" + strings.Repeat("a", 1e4): "at most",
	} {
		err := table.Add(Control, "/good", pattern)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("pattern %.20q: error %v, want %q", pattern, err, want)
		}
	}
	if len(table.own) != 0 {
		t.Errorf("%d patterns were added together with a bad one", len(table.own))
	}
	if table.Add(Control) == nil || table.Add(Lane(99), "/x") == nil {
		t.Error("no path and no lane are accepted")
	}
	for range maxOwnRules {
		if err := table.Add(File, "/x"); err != nil {
			t.Fatal(err)
		}
	}
	if table.Add(File, "/x") == nil {
		t.Error("patterns have no bound")
	}
}

func TestAddedLanes(t *testing.T) {
	table := DefaultTable()
	for lane, patterns := range map[Lane][]string{
		Control: {"/plugin/api/reload/"},
		File:    {"/plugin/files/*"},
		Flow:    {"/plugin/bulk/*", "/flowmanage/api/omdata/edit/nightly/"},
		Session: {"/rest/flowmanage/api/omdata/list/live/"},
		Static:  {"/media/*"},
	} {
		if err := table.Add(lane, patterns...); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		path string
		want Result
	}{
		{"/plugin/api/reload/", Result{Lane: Control, Class: Create}},
		{"/rest/plugin/api/reload", Result{Lane: Control, Class: Create}},
		{"/x/../plugin//api/reload/", Result{Lane: Control, Class: Create}},
		{"/rest/plugin/files/a", Result{Lane: File, Class: Create}},
		{"/plugin/bulk/x", Result{Lane: Flow, Class: Create}},
		{"/flowmanage/api/omdata/edit/nightly/", Result{Lane: Flow, Class: Create, Work: true, NeedsBody: true}},
		{"/rest/flowmanage/api/omdata/list/live/", Result{Lane: Session, Class: Read}},
		{"/rest/flowmanage/api/omdata/list/other/", Result{Lane: Flow, Class: Read}},
		{"/rest/media/x", Result{Lane: Flow, Class: Create}},
		{"/media/x", Result{Lane: Static, Class: Create}},
	} {
		if got := table.Classify(&Request{Method: "POST", Path: tt.path}); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.path, got, tt.want)
		}
	}
	// Of two added rules the first counts.
	first := DefaultTable()
	if err := first.Add(Flow, "/a/b"); err != nil {
		t.Fatal(err)
	}
	if err := first.Add(Control, "/a/*"); err != nil {
		t.Fatal(err)
	}
	if got := first.Classify(&Request{Method: "GET", Path: "/a/b"}); got.Lane != Flow {
		t.Errorf("the second rule came first: %+v", got)
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"/a/*/c", "*.php", "/a*", "/*a*a*a*/", "*"} {
		f.Add(s, "/a/b/c")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		decoded, _ := decodePath(nil, path)
		// The same pattern as a regular expression.
		var re strings.Builder
		re.WriteString(`(?s)\A`)
		pieces := make([]string, len(p.pieces))
		for i := range p.pieces {
			pieces[i] = string(p.pieces[i])
		}
		for i, piece := range pieces {
			re.WriteString(regexp.QuoteMeta(piece))
			switch {
			case i == len(pieces)-1:
			case i == 0 && piece == "", i == len(pieces)-2 && pieces[i+1] == "":
				re.WriteString(".*")
			default:
				re.WriteString(".+")
			}
		}
		re.WriteString(`\z`)
		if strings.ToValidUTF8(string(decoded), "") != string(decoded) {
			return // "." is a rune there, a byte here
		}
		if want := regexp.MustCompile(re.String()).Match(decoded); p.match(decoded) != want {
			t.Fatalf("pattern %q, path %q: %v, want %v", text, decoded, !want, want)
		}
	})
}
