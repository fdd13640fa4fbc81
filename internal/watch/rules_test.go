package watch

import (
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRules(t *testing.T) {
	for _, tc := range []struct {
		name    string
		rules   Rules
		covered []string
		left    []string
	}{
		{"none", Rules{}, []string{"a", "a/b/c"}, nil},
		{"name at any depth", Rules{Exclude: []string{"*.pyc"}}, []string{"a.py", "pyc"}, []string{"a.pyc", "x/y/a.pyc", "d.pyc/inside"}},
		{"directory at any depth", Rules{Exclude: []string{"__pycache__/"}}, []string{"a/x", "a/__pycache__"}, []string{"__pycache__/x", "a/b/__pycache__/c/d"}},
		{"anchored by a first slash", Rules{Exclude: []string{"/tmp.py"}}, []string{"a/tmp.py"}, []string{"tmp.py"}},
		{"anchored by an inner slash", Rules{Exclude: []string{"omflow/settings.py"}}, []string{"x/omflow/settings.py", "omflow/settings.pyx"}, []string{"omflow/settings.py"}},
		{"include a tree", Rules{Include: []string{"omformflow/production/**"}},
			[]string{"omformflow/production/u/1/main.py"}, []string{"omformflow/x", "omformflow/productionx/y", "x/omformflow/production/y"}},
		{"include a directory", Rules{Include: []string{"static/css"}}, []string{"static/css/a", "static/css/b/c"}, []string{"static/csss", "static/a"}},
		{"exclude wins", Rules{Include: []string{"app/", "*.bin"}, Exclude: []string{"app/cache", "secret.bin"}},
			[]string{"app/a", "x/y.bin"}, []string{"app/cache/a", "x/secret.bin", "b"}},
		{"migrations", Rules{Include: []string{"/omformmodel/migrations/*.py"}},
			[]string{"omformmodel/migrations/0001_a.py"}, []string{"omformmodel/migrations/x/0001.py", "omformmodel/models.py"}},
		{"stars within a segment", Rules{Exclude: []string{"/tmp*.upload*", "a/*/c", "a/**/z"}},
			[]string{"a/b/d/c", "x/tmp1.upload"}, []string{"tmp1.upload", "tmp1.upload.2", "a/b/c", "a/z", "a/1/2/z"}},
		{"one character", Rules{Exclude: []string{"a?c"}}, []string{"ac", "abbc", "a/c"}, []string{"abc", "x/aéc"}},
		{"classes", Rules{Exclude: []string{"[0-9]*", "[^a-z]?"}}, []string{"a1", "a.gif"}, []string{"1a", "x/1", "Aa"}},
		{"case matters", Rules{Exclude: []string{"Logs"}}, []string{"logs/a"}, []string{"Logs/a"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set, err := tc.rules.compile()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range tc.covered {
				if !set.covers(p) || !set.concerns(p) {
					t.Errorf("%s is left out", p)
				}
			}
			for _, p := range tc.left {
				if set.covers(p) {
					t.Errorf("%s is covered", p)
				}
			}
		})
	}
}

// What cannot hold anything that is looked at is not entered.
func TestRulesPrune(t *testing.T) {
	set, err := Rules{Include: []string{"omformflow/production/**", "/omformmodel/models.py", "a/*/b"}, Exclude: []string{"old"}}.compile()
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{
		"omformflow": true, "omformflow/production": true, "omformflow/production/x/y": true,
		"omformmodel": true, "a": true, "a/x": true, "a/x/b": true, "a/x/b/c": true,
		"omformflow/other": false, "omformmodel/models.py": true, "omformmodel/x": false, "uploads": false,
		"omformflow/production/old": false, "omformflowx": false, "omform": false,
	} {
		if look, _ := set.descend(dir); look != want {
			t.Errorf("%s: entered %v, want %v", dir, look, want)
		}
		if got := set.concerns(dir); got != want {
			t.Errorf("%s: concerns %v, want %v", dir, got, want)
		}
	}
}

func TestRulesRefused(t *testing.T) {
	for pattern, part := range map[string]string{
		"":                              "empty segment",
		"/":                             "empty segment",
		"a//b":                          "empty segment",
		"a/../b":                        `segment ".."`,
		"./a":                           `segment "."`,
		`a\b`:                           "backslash",
		"a\x00":                         "control character",
		"\xff":                          "UTF-8",
		"[a":                            "not closed",
		"{a,b}":                         "brace",
		strings.Repeat("x", 1025):       "longer than 1024",
		strings.Repeat("a/", 600) + "b": "longer than 1024",
	} {
		err := Rules{Exclude: []string{pattern}}.Validate()
		if err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), "exclude") {
			t.Errorf("%.40q: error %v, want one with %q", pattern, err, part)
		}
	}
	if err := (Rules{Include: make([]string, 1001)}).Validate(); err == nil || !strings.Contains(err.Error(), "at most 1000") {
		t.Errorf("too many patterns: %v", err)
	}
}

// FuzzRules: a walk that enters directory by directory finds exactly the files
// that a plain reading of the rules finds, whatever the pattern.
func FuzzRules(f *testing.F) {
	for _, p := range []string{"*.pyc", "a/**/b", "/a", "a/", "**/x", "a/[b-c]/*", "**", "a*/**", "a?/b", "**/a/**", "[^a]/b"} {
		f.Add(p, "a/b/c", true)
		f.Add(p, "b/c/d", false)
		f.Add(p, "aa/b", true)
	}
	f.Fuzz(func(t *testing.T, pattern, p string, include bool) {
		if len(p) > 100 || p == "" || strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.HasPrefix(p, "..") || p == "." {
			return
		}
		rules := Rules{Exclude: []string{pattern}}
		if include {
			rules = Rules{Include: []string{pattern}}
		}
		set, err := rules.compile()
		if err != nil {
			return
		}
		g := slices.Concat(set.include, set.exclude)[0]
		matched := false
		for i := range p + "/" {
			if i == len(p) || p[i] == '/' {
				matched = matched || g.match(p[:i], i < len(p))
			}
		}
		if got := set.covers(p); got != (matched == include) {
			t.Errorf("pattern %q, path %q, include %v: covered %v", pattern, p, include, got)
		}
		if set.covers(p) && !set.concerns(p) {
			t.Errorf("pattern %q, path %q: covered, yet a change there concerns nobody", pattern, p)
		}
	})
}

// Patterns that make a matcher try again and again end soon all the same: within what a
// busy machine may need for steps that grow with a power of the length, and not with
// their number of stars in the exponent.
func TestRulesCost(t *testing.T) {
	for _, pattern := range []string{
		strings.Repeat("*a", 500) + "b",
		"x/" + strings.Repeat("*a", 500) + "b",
		strings.Repeat("**/", 300) + "b",
		strings.Repeat("**/*a", 200) + "/b",
		strings.Repeat("a*/**/", 150) + "b",
		strings.Repeat("*", 1000) + "b",
		strings.Repeat("[^b]*", 200) + "b",
	} {
		set, err := Rules{Exclude: []string{pattern}}.compile()
		if err != nil {
			t.Fatalf("%.20s: %v", pattern, err)
		}
		began := time.Now()
		for _, p := range []string{strings.Repeat("a", 1000), "x/" + strings.Repeat("a", 1000), strings.Repeat("a/", 250) + "a"} {
			if !set.covers(p) {
				t.Errorf("%.20s matches %.20s", pattern, p)
			}
		}
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("%.20s: took %s", pattern, d)
		}
	}
}
