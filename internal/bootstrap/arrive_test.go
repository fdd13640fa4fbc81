//go:build unix

package bootstrap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/testbed/programs"
)

// bed is a new server beside one that is there.
type bed struct {
	origin Origin
	home   string // the new server's
	cfg    Config
	plan   Plan
	log    bytes.Buffer
}

func newBed(t *testing.T) *bed {
	t.Helper()
	programs.Python(t)
	b := &bed{origin: good(), home: filepath.Join(t.TempDir(), "new", "omflow")}
	b.origin.Fingerprint, b.origin.Modules = fingerprint(), nil
	b.plan = Plan{Place: Place{"s4", b.home, "10.0.0.24:8000"}, Python: "python3", Run: []string{"sh", "/bin/sh"}, Options: json.RawMessage(`{"b":2}`)}
	b.cfg = Config{
		Client:   network{"s1": answers(b.origin)}.as("s4"),
		StateDir: filepath.Join(t.TempDir(), "servers", "s4"),
		Plan:     func(Origin) (Plan, error) { return b.plan, nil },
		Logger:   slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	return b
}

// fingerprint is that of the key in settingsText.
func fingerprint() string {
	return settings.Settings{SecretKey: []byte("k3y-0123456789")}.Fingerprint()
}

// settings is the text that the new server's settings.py should have.
func (b *bed) settings() string { return fmt.Sprintf(settingsText, b.home) }

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// nothing fails the test if anything was written.
func (b *bed) nothing(t *testing.T) {
	t.Helper()
	for _, name := range []string{b.home, b.cfg.StateDir} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
}

func TestArrive(t *testing.T) {
	b := newBed(t)
	s := Source{Place: Place{"s1", server(t), "10.0.0.21:8000"}, Options: json.RawMessage(`{"a":1}`), Python: "python3", Logger: discard}
	b.cfg.Client = network{"s1": Handler(s.Origin, peerOf, discard)}.as("s4")
	r, err := Arrive(t.Context(), b.cfg)
	if err != nil || !r.Arrived() || r.Home != b.home || r.Server != "10.0.0.24:8000" || r.Origin != "s1" || string(r.Options) != `{"b":2}` {
		t.Fatalf("%+v, %v", r, err)
	}
	file := filepath.Join(b.home, "omflow", "settings.py")
	if got := read(t, file); got != b.settings() {
		t.Errorf("settings.py:\n%s", got)
	}
	for _, secret := range []string{file, recordFile(b.cfg.StateDir)} {
		if info, err := os.Stat(secret); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", secret, info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(b.home, "logs")); err != nil || !info.IsDir() {
		t.Errorf("logs: %v", err)
	}
	for _, secret := range []string{"k3y", "p4ss"} {
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("the log has %s: %s", secret, b.log.String())
		}
	}
	if !strings.Contains(b.log.String(), "each machine's own") {
		t.Errorf("nobody says that the database is at 127.0.0.1: %s", b.log.String())
	}
	// Nobody is asked any more.
	b.cfg.Client = network{}.as("s4")
	if again, err := Arrive(t.Context(), b.cfg); err != nil || !again.Arrived() {
		t.Errorf("again: %+v, %v", again, err)
	}
}

// TestCheckCommand: what a command names must be there, unless it comes with the release.
func TestCheckCommand(t *testing.T) {
	home := filepath.Join(t.TempDir(), "omflow")
	for _, tt := range []struct {
		run []string
		ok  bool
	}{
		{[]string{"sh", "/bin/sh"}, true},
		{[]string{"sh", filepath.Join(home, "manage.py"), "runserver"}, true},
		{[]string{filepath.Join(home, "bin", "start.sh")}, true},
		{[]string{"sh", "--flag", "/no/such"}, true}, // an option's value may be anything
		{[]string{"sh", "/no/such"}, false},
		{[]string{"sh", filepath.Join(home, "venv", "bin", "gunicorn")}, false},
		{[]string{filepath.Join(home, "venv", "bin", "python")}, false},
		{[]string{home + "-old/start.sh"}, false},
		{[]string{home}, false},
		{[]string{"no-such-program-here"}, false},
		{nil, false},
	} {
		if err := checkCommand(home, tt.run); (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.run, err)
		}
	}
}

// TestArriveRefuses: what is missing is named, and nothing is written.
func TestArriveRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*bed)
		want  string
	}{
		"alone":        {func(b *bed) { b.cfg.Client = network{}.as("s4") }, ErrAlone.Error()},
		"no plan":      {func(b *bed) { b.cfg.Plan = func(Origin) (Plan, error) { return Plan{}, errors.New("no patch") } }, "options of server s1: no patch"},
		"the root":     {func(b *bed) { b.plan.Place.Home = "/" }, "no folder of its own"},
		"no Python":    {func(b *bed) { b.plan.Python = "/nowhere/python3" }, "there is no Python /nowhere/python3 here"},
		"no command":   {func(b *bed) { b.plan.Run = []string{"/nowhere/gunicorn"} }, "/nowhere/gunicorn"},
		"no script":    {func(b *bed) { b.plan.Run = []string{"sh", "/nowhere/gunicorn", "-x"} }, "/nowhere/gunicorn"},
		"nothing runs": {func(b *bed) { b.plan.Run = nil }, "no command"},
		"no package": {func(b *bed) {
			b.use(func(o *Origin) {
				o.Modules = []Module{{"os", "", ""}, {"no_such_module", "No-Such", "1.2"}, {"nor_this", "", ""}}
			})
		}, "lacks no_such_module, nor_this, which OMFLOW needs: install as on server s1: python3 -m pip install No-Such==1.2 nor_this"},
		"two in one folder": {func(b *bed) {
			b.use(func(o *Origin) { o.Home, o.Server = b.home, "127.0.0.1:8000" })
		}, "server s1 is on this machine"},
		"another system": {func(b *bed) { b.use(func(o *Origin) { o.System = "windows" }) }, "runs on windows"},
	} {
		b := newBed(t)
		tt.spoil(b)
		if _, err := Arrive(t.Context(), b.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		b.nothing(t)
	}
}

// TestIsHere: a machine knows its own names and addresses.
func TestIsHere(t *testing.T) {
	here := []string{"127.0.0.1:8000", "[::1]:8000", "localhost:8000"}
	name, err := os.Hostname()
	if _, lerr := net.LookupHost(name); err == nil && lerr == nil {
		here = append(here, net.JoinHostPort(name, "8000"))
	}
	for _, address := range here {
		if !isHere(t.Context(), address) {
			t.Errorf("%s is not here", address)
		}
	}
	for _, address := range []string{"192.0.2.1:8000", "no-such-name.invalid:8000", ""} {
		if isHere(t.Context(), address) {
			t.Errorf("%q is here", address)
		}
	}
}

// use changes what the other server says.
func (b *bed) use(change func(*Origin)) {
	change(&b.origin)
	b.cfg.Client = network{"s1": answers(b.origin)}.as("s4")
}

// TestFolder: a folder becomes the new server's when it is empty or this cluster's, and
// is left as it is otherwise.
func TestFolder(t *testing.T) {
	other := strings.ReplaceAll(settingsText, "k3y", "another")
	database := strings.ReplaceAll(settingsText, "'NAME': 'omflow'", "'NAME': 'test'")
	host := strings.ReplaceAll(settingsText, "127.0.0.1", "db.example")
	for name, tt := range map[string]struct {
		files map[string]string
		err   string // empty: it is taken
		keeps bool   // its settings.py stays
	}{
		"empty":            {files: map[string]string{}},
		"with Python":      {files: map[string]string{"venv/pyvenv.cfg": "", "logs/omflow.log": "old"}},
		"something":        {files: map[string]string{"thesis.txt": "x"}, err: `there is "thesis.txt"`},
		"attachments":      {files: map[string]string{"uploads/x": "x"}, err: "is not empty"},
		"what may be":      {files: map[string]string{"shared/x": "x"}},
		"another":          {files: map[string]string{"omflow/settings.py": other}, err: "another SECRET_KEY"},
		"another database": {files: map[string]string{"omflow/settings.py": database}, err: "another database, postgres test"},
		"broken":           {files: map[string]string{"omflow/settings.py": "raise Exception()"}, err: "not known"},
		"the cluster's":    {files: map[string]string{"omflow/settings.py": host, "manage.py": "x"}, keeps: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.plan.Beside = []string{"shared"}
			if err := os.MkdirAll(b.home, 0o755); err != nil {
				t.Fatal(err)
			}
			for file, text := range tt.files {
				write(t, filepath.Join(b.home, file), text)
			}
			_, err := Arrive(t.Context(), b.cfg)
			if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("%v, want %q", err, tt.err)
			}
			for file, text := range tt.files {
				if got := read(t, filepath.Join(b.home, file)); got != text {
					t.Errorf("%s became %q", file, got)
				}
			}
			if file := filepath.Join(b.home, "omflow", "settings.py"); err == nil && !tt.keeps && read(t, file) != b.settings() {
				t.Errorf("settings.py: %s", read(t, file))
			}
			if _, err := os.Stat(b.cfg.StateDir); tt.err != "" && err == nil {
				t.Error("a note was made")
			}
		})
	}
}

// TestGoesOn: an attempt that ended at any step after the note is gone on with, whatever
// of the code came meanwhile; with another folder it is begun anew.
func TestGoesOn(t *testing.T) {
	b := newBed(t)
	if err := (Record{Home: b.home, Origin: "s1"}).save(b.cfg.StateDir); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.home, "omflow", "settings.py"), "SECRET")
	write(t, filepath.Join(b.home, "omflow", "settings.py.123.tmp"), "SECR")
	write(t, filepath.Join(b.home, "manage.py"), "half")
	if _, err := Arrive(t.Context(), b.cfg); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(b.home, "omflow", "settings.py")); got != b.settings() {
		t.Errorf("settings.py: %s", got)
	}
	b = newBed(t)
	if err := (Record{Home: b.home + "-2", Origin: "s1"}).save(b.cfg.StateDir); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.home, "manage.py"), "half")
	if _, err := Arrive(t.Context(), b.cfg); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("another folder's note: %v", err)
	}
}

// TestCannotWrite: a folder that can't be made, and one that can't be written, are told,
// and the server has not arrived.
func TestCannotWrite(t *testing.T) {
	b := newBed(t)
	write(t, filepath.Dir(b.home), "a file is where the folder should be")
	if _, err := Arrive(t.Context(), b.cfg); err == nil || !strings.Contains(err.Error(), "home") {
		t.Error(err)
	}
	b = newBed(t)
	write(t, filepath.Join(b.home, "logs"), "no folder")
	write(t, filepath.Dir(b.cfg.StateDir), "no folder either")
	if _, err := Arrive(t.Context(), b.cfg); err == nil {
		t.Error("it arrived without a note")
	}
	if _, err := os.Stat(filepath.Join(b.home, "omflow")); err == nil {
		t.Error("something was written before the note")
	}
}

func TestDamagedRecord(t *testing.T) {
	for _, text := range []string{"", "{", `{"home":"relative"}`, `{"home":"/","options":{}}`} {
		dir := t.TempDir()
		write(t, recordFile(dir), text)
		if r, err := Load(dir); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q is %+v, %v", text, r, err)
		}
	}
	if r, err := Load(filepath.Join(t.TempDir(), "none")); err != nil || r.Arrived() {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestArrivesAnew: without a Record that can be read a server that has arrived does so once
// more, and keeps its settings.py.
func TestArrivesAnew(t *testing.T) {
	b := newBed(t)
	first, err := Arrive(t.Context(), b.cfg)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.home, "manage.py"), "")
	write(t, filepath.Join(b.home, "omflow", "settings.py"), b.settings()+"# mine\n")
	half := read(t, recordFile(b.cfg.StateDir))[:20]
	write(t, recordFile(b.cfg.StateDir), half)
	again, err := Arrive(t.Context(), b.cfg)
	if err != nil || !again.Arrived() || again.Home != first.Home || again.Server != first.Server || string(again.Options) != string(first.Options) {
		t.Fatalf("%+v, %v", again, err)
	}
	if got := read(t, filepath.Join(b.home, "omflow", "settings.py")); got != b.settings()+"# mine\n" {
		t.Errorf("settings.py: %s", got)
	}
	if kept := read(t, recordFile(b.cfg.StateDir)+durable.Damaged); kept != half {
		t.Errorf("kept aside: %q", kept)
	}
	if !strings.Contains(b.log.String(), "it arrives anew") {
		t.Errorf("it is not said: %s", b.log.String())
	}
}

// TestSource: what OMFLOW imports when it is loaded is told, if it is a package's that
// is installed; what can't be another server's is refused.
func TestSource(t *testing.T) {
	home := server(t)
	site := t.TempDir()
	for name, text := range map[string]string{
		"site-packages/needed/__init__.py": "", "site-packages/needed-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: Needed\nVersion: 1.5\n",
		"site-packages/needed-1.5.dist-info/top_level.txt": "needed\n", "site-packages/optional.py": "", "site-packages/later.py": "", "site-packages/own.py": "",
		"site-packages/inside.py": "",
	} {
		write(t, filepath.Join(site, name), text)
	}
	t.Setenv("PYTHONPATH", filepath.Join(site, "site-packages"))
	write(t, filepath.Join(home, "omuser", "views.py"), `
import os, json
import needed.models as n
import own
from . import x
import not_installed
if n:
    from inside import y
try:
    import optional
except ImportError:
    optional = None
def f():
    import later
`)
	write(t, filepath.Join(home, "own", "__init__.py"), "")
	write(t, filepath.Join(home, "venv", "pyvenv.cfg"), "")
	write(t, filepath.Join(home, "venv", "lib.py"), "import optional")
	write(t, filepath.Join(home, "omuser", "broken.py"), "import optional\n(")
	s := Source{Place: Place{"s1", home, "10.0.0.21:8000"}, Options: json.RawMessage(`{}`), Python: "python3", Logger: discard}
	o, err := s.Origin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]Module{}
	for _, m := range o.Modules {
		names[m.Name] = m
	}
	if names["needed"] != (Module{"needed", "Needed", "1.5"}) || names["inside"].Name == "" {
		t.Errorf("modules: %+v", o.Modules)
	}
	for _, name := range []string{"os", "json", "own", "optional", "later", "not_installed", "x"} {
		if _, ok := names[name]; ok {
			t.Errorf("%s is said to be needed", name)
		}
	}
	if o.Database != (Database{"postgres", "127.0.0.1:5433", "omflow"}) || o.Fingerprint == "" || o.Python == "" {
		t.Errorf("%s", o)
	}
	for _, bad := range []string{"SECRET_KEY = ''", "raise Exception()", "SECRET_KEY='x'\nALLOWED_HOSTS=['*']\nDATABASES={'default':{'ENGINE':'django.db.backends.sqlite3','NAME':'x'}}", strings.Repeat("#", MaxSettings+1)} {
		write(t, filepath.Join(home, "omflow", "settings.py"), bad)
		if _, err := s.Origin(t.Context()); err == nil || !strings.Contains(err.Error(), "server s1 can't be the origin") {
			t.Errorf("%.40s: %v", bad, err)
		}
	}
}
