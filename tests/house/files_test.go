package house

import (
	"bytes"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// files calls f for each text file of the repository.
func files(t *testing.T, f func(path string, text []byte)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == ".git" || name == "dist" || name == "fuzz" {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".go", ".md", ".json", ".txt", ".caddyfiletest", ".yml", ".yaml", ".example", ".mod":
		default:
			if d.Name() != "Makefile" {
				return nil
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		f(filepath.ToSlash(rel), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 100 {
		t.Fatalf("only %d files were found", n)
	}
}

func TestFilesAreShort(t *testing.T) {
	// A file that grows past 400 lines has two subjects; a table of tests may have a
	// few more.
	const most, mostTest = 400, 480
	files(t, func(path string, text []byte) {
		limit := most
		if strings.HasSuffix(path, "_test.go") {
			limit = mostTest
		}
		if lines := bytes.Count(text, []byte("\n")); strings.HasSuffix(path, ".go") && lines > limit {
			t.Errorf("%s has %d lines, more than %d", path, lines, limit)
		}
	})
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	own(t, func(place string, p pkg) {
		if len(p.GoFiles) == 0 {
			return // only tests, which doc.go would name
		}
		if len(strings.Fields(p.Doc)) < 5 {
			t.Errorf("%s has no doc comment that says what it is: %q", place, p.Doc)
		}
	})
}

// The words are put together here, so that this file does not hold them.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

func TestNothingIsLeftUndone(t *testing.T) {
	files(t, func(path string, text []byte) {
		if m := unfinished.Find(text); m != nil {
			t.Errorf("%s holds %q: do it, or say in words what is not there", path, m)
		}
	})
}

// TestClockIsPassedIn: the balancer is told the time, so that tests need not wait.
func TestClockIsPassedIn(t *testing.T) {
	clock := regexp.MustCompile(`\btime\.(Now|Since|Until|Sleep|After|AfterFunc|NewTimer|NewTicker|Tick)\(`)
	files(t, func(path string, text []byte) {
		if !in(filepath.ToSlash(filepath.Dir(path)), "internal/balance") || strings.HasSuffix(path, "_test.go") {
			return
		}
		if m := clock.Find(text); m != nil {
			t.Errorf("%s calls %s", path, m)
		}
	})
}

// TestOnePackageKnowsOMFLOW: URLs of OMFLOW are in one place, the built-in profile and its
// package, and where something stands in for OMFLOW or explains it.
func TestOnePackageKnowsOMFLOW(t *testing.T) {
	url := regexp.MustCompile(`/(accounts|flowmanage|my-mission|dashboard|l-side|workinfo)/|/rest/[a-z]`)
	found := false
	files(t, func(path string, text []byte) {
		if in(path, "internal/omflow/profile") && strings.HasSuffix(path, ".json") {
			found = found || url.Match(text)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, literal := range literals(text) {
			if !url.MatchString(literal) {
				continue
			}
			switch {
			case in(path, "internal/omflow"), in(path, "internal/testbed"), in(path, "internal/demo"), in(path, "tests"):
			default:
				t.Errorf("%s knows %s: put it into internal/omflow", path, literal)
			}
		}
	})
	if !found {
		t.Error("the built-in profile has no URL of OMFLOW: this test looks for the wrong thing")
	}
}

// literals are the strings in Go source.
func literals(source []byte) (out []string) {
	fset := token.NewFileSet()
	var s scanner.Scanner
	s.Init(fset.AddFile("", fset.Base(), len(source)), source, nil, 0)
	for {
		_, tok, lit := s.Scan()
		switch tok {
		case token.EOF:
			return out
		case token.STRING:
			out = append(out, lit)
		}
	}
}
