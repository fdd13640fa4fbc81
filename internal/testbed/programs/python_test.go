package programs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// noted is a test that notes how it ends.
type noted struct {
	testing.TB
	how string
}

func (n *noted) Helper()               {}
func (n *noted) Fatalf(string, ...any) { n.how = "failed"; panic(n) }
func (n *noted) Skip(...any)           { n.how = "skipped"; panic(n) }

func TestPython(t *testing.T) {
	with := t.TempDir()
	program := filepath.Join(with, "python3")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(program); err != nil {
		t.Skip("what can be run here has another name")
	}
	for _, tt := range []struct{ name, path, env, how, found string }{
		{"installed", with, "", "", program},
		{"installed and required", with, "required", "", program},
		{"missing", t.TempDir(), "", "skipped", ""},
		{"missing, and something else is said", t.TempDir(), "no", "skipped", ""},
		{"missing and required", t.TempDir(), "required", "failed", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", tt.path)
			t.Setenv(PythonEnv, tt.env)
			n, found := new(noted), ""
			func() {
				defer func() {
					if r := recover(); r != nil && r != any(n) {
						panic(r)
					}
				}()
				found = Python(n)
			}()
			if n.how != tt.how || found != tt.found {
				t.Errorf("it is %q and found %q, want %q and %q", n.how, found, tt.how, tt.found)
			}
		})
	}
}
