package house

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const (
	module = "github.com/omflow/booster"
	caddy  = "github.com/caddyserver/caddy/v2"
	root   = "../.."
)

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath, Doc, Dir string
	Imports, Deps        []string
	Module               *struct{ Path, Version string }
	GoFiles              []string
	Error                *struct{ Err string }
}

// ours reports whether the package is one of this module.
func (p pkg) ours() bool { return p.Module != nil && p.Module.Path == module }

// place is the package's path in the repository, "." for the root.
func place(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}

// in reports whether a place is a folder or below it.
func in(place, folder string) bool { return place == folder || strings.HasPrefix(place, folder+"/") }

// list asks the go command once for all packages and all that they depend on.
var list = sync.OnceValues(func() (map[string]pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Doc,Dir,Imports,Deps,Module,GoFiles,Error", "./...")
	cmd.Dir = root
	// As it is built for operators; with cgo other files count.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	packages := make(map[string]pkg)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages[p.ImportPath] = p
	}
})

// packages returns all, by import path.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	all, err := list()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return all
}

// own calls f for each package of this module that has code.
func own(t *testing.T, f func(place string, p pkg)) {
	t.Helper()
	n := 0
	for path, p := range packages(t) {
		if !p.ours() {
			continue
		}
		if p.Error != nil && len(p.GoFiles) > 0 {
			t.Errorf("%s: %s", path, p.Error.Err)
		}
		n++
		f(place(path), p)
	}
	if n < 20 {
		t.Fatalf("go list knows only %d packages of ours", n)
	}
}
