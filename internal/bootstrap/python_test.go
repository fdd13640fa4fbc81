package bootstrap

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/testbed/programs"
)

func TestNeeds(t *testing.T) {
	for _, tt := range []struct {
		engine   database.Engine
		run      string
		packages string
	}{
		{database.Postgres, "gunicorn omflow.wsgi", "psycopg2 gunicorn"},
		{database.MySQL, "/opt/venv/bin/waitress-serve omflow.wsgi:application", "mysqlclient waitress"},
		{database.SQLServer, "python3 -m daphne omflow.asgi", "mssql-django pyodbc daphne"},
		{database.Oracle, "/usr/sbin/apache2 -DFOREGROUND", "cx_Oracle"},
		{"", "", ""},
	} {
		var packages []string
		for _, need := range Needs(tt.engine, strings.Fields(tt.run)) {
			packages = append(packages, need.Package)
		}
		if got := strings.Join(packages, " "); got != tt.packages {
			t.Errorf("%s with %s needs %q, not %q", tt.engine, tt.run, got, tt.packages)
		}
	}
}

// TestImport: one module can be imported, one is not installed, of one the parts are not,
// one ends Python, and one says something meanwhile.
func TestImport(t *testing.T) {
	python := programs.Python(t)
	packages := t.TempDir()
	write(t, filepath.Join(packages, "whole.py"), "print('{')")
	write(t, filepath.Join(packages, "parts", "__init__.py"), "from . import inner")
	write(t, filepath.Join(packages, "parts", "inner.py"), "raise ImportError('libpq.so.5: cannot open shared object file')")
	write(t, filepath.Join(packages, "half.py"), "import other_half")
	write(t, filepath.Join(packages, "ending.py"), "raise SystemExit(3)")
	t.Setenv("PYTHONPATH", packages)
	got, err := Import(t.Context(), []string{python}, []string{"whole", "parts", "half", "ending", "no_such_module"})
	want := map[string]string{
		"parts":          "ImportError: libpq.so.5: cannot open shared object file",
		"half":           "No module named 'other_half'",
		"ending":         "SystemExit: 3",
		"no_such_module": NotInstalled,
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if got, err := Import(t.Context(), []string{python}, nil); err != nil || len(got) != 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Import(ended, []string{python}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := Import(t.Context(), []string{filepath.Join(packages, "python")}, nil); err == nil {
		t.Error("a Python that is not there is no error")
	}
	if runtime.GOOS == "windows" {
		return // a script stands for the old Python
	}
	old := filepath.Join(packages, "old")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho '{\"python\": \"3.6.8\"}'"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(t.Context(), []string{old}, nil); err == nil || !strings.Contains(err.Error(), `is Python "3.6.8": OMFLOW needs 3.7.7`) {
		t.Errorf("of one that is too old: %v", err)
	}
}

// TestForeignModules: Python is run in the folder for temporary files, where everybody may
// write, and imports nothing from it.
func TestForeignModules(t *testing.T) {
	python := programs.Python(t)
	shared := t.TempDir()
	for _, name := range []string{"json", "ast", "sysconfig", "importlib", "tokenize"} {
		write(t, filepath.Join(shared, name+".py"), "open('"+name+".taken', 'w')\nraise ImportError('foreign')")
	}
	for _, env := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(env, shared)
	}
	if _, err := Import(t.Context(), []string{python}, []string{"whole"}); err != nil {
		t.Error(err)
	}
	home := t.TempDir()
	write(t, filepath.Join(home, "manage.py"), "import json")
	if _, err := listModules(t.Context(), python, home, database.Postgres, nil); err != nil {
		t.Error(err)
	}
	if taken, err := filepath.Glob(filepath.Join(shared, "*.taken")); err != nil || len(taken) > 0 {
		t.Errorf("imported from there: %v, %v", taken, err)
	}
}
