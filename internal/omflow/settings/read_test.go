package settings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/testbed/programs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shipped = `
import os
BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECRET_KEY = 'k3y-0123456789'
ALLOWED_HOSTS = ["*"]
DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'omflow', 'USER': 'om', 'PASSWORD': 'p4ss-word', 'HOST': 'db', 'PORT': '5433'}}
TIME_ZONE = 'Asia/Taipei'
OMFLOW_TYPE = "server"
LOCAL_IP = ""
LOCAL_PORT = ""
`

const boosters = `
BOOSTER_IP = '10.0.0.11'
BOOSTER_PORT = '5170'
SECOND_BOOSTER_IP = 'booster-b.example'
SECOND_BOOSTER_PORT = ''
`

// home makes a home folder with the given files; settings.py is in omflow.
func home(t *testing.T, files map[string]string) Config {
	t.Helper()
	programs.Python(t)
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Config{File: FileIn(dir), Python: []string{"python3"}, Timeout: observe.Patience}
}

func mustRead(t *testing.T, c Config) Settings {
	t.Helper()
	s, err := Read(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRead(t *testing.T) {
	s := mustRead(t, home(t, map[string]string{"omflow/settings.py": shipped + boosters, "omflow/__init__.py": "import no_such_module"}))
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	target, err := s.Database()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := target.String(), "postgres://om:***@db:5433/omflow"; got != want || target.Password != "p4ss-word" {
		t.Errorf("database %s with %q, want %s", got, target.Password, want)
	}
	if !strings.HasPrefix(s.Python, "3.") {
		t.Errorf("python %q", s.Python)
	}
	want := Settings{Python: s.Python, Django: s.Django, SecretKey: []byte("k3y-0123456789"), Boosters: []string{"10.0.0.11:5170", "booster-b.example:5169"},
		TimeZone: "Asia/Taipei", AllowedHosts: []string{"*"}, Type: "server", database: s.database}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("%#v, want %#v", s, want)
	}
}

// TestLegal has settings that are written in unusual ways, each with the value
// of TIME_ZONE that they come to.
func TestLegal(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		env   []string
		want  string
	}{
		{"prints", map[string]string{"omflow/settings.py": "import os, sys\nprint('{\"python\": \"9.9.9\"}' * 1000)\nos.write(1, b'x')\nsys.__stdout__.write('y')\nTIME_ZONE = 'A'"}, nil, "A"},
		{"relative module", map[string]string{"omflow/settings.py": "from .local import *\nfrom omflow.local import ZONE\nTIME_ZONE = ZONE + OTHER", "omflow/local.py": "ZONE, OTHER = 'A', 'B'"}, nil, "AB"},
		{"package's own file", map[string]string{"omflow/settings.py": "import omflow\nTIME_ZONE = omflow.ZONE", "omflow/__init__.py": "ZONE = 'A'"}, nil, "A"},
		{"package's own file ends python", map[string]string{"omflow/settings.py": "TIME_ZONE = 'A'", "omflow/__init__.py": "raise SystemExit(1)"}, nil, "A"},
		{"home module", map[string]string{"omflow/settings.py": "import site_local\nTIME_ZONE = site_local.zone", "site_local.py": "zone = 'A'"}, nil, "A"},
		{"home module that hides a standard one", map[string]string{"omflow/settings.py": "TIME_ZONE = 'A'", "json.py": "raise Exception", "base64.py": "raise Exception", "types.py": "", "importlib.py": "x"}, nil, "A"},
		{"working folder", map[string]string{"omflow/settings.py": "TIME_ZONE = open('zone.txt', encoding='utf-8').read()", "zone.txt": "台北"}, nil, "台北"},
		{"environment", map[string]string{"omflow/settings.py": "import os\nTIME_ZONE = os.environ['OM_ZONE'] + os.environ.get('OM_SECRET', '-')"}, []string{"OM_ZONE=A=B"}, "A=B-"},
		{"environment as Django has it", map[string]string{"omflow/settings.py": "import os, sys\nTIME_ZONE = os.environ['DJANGO_SETTINGS_MODULE'] + ' '.join(sys.argv)"}, nil, "omflow.settingsmanage.py"},
		{"class with text", map[string]string{"omflow/settings.py": "class Z:\n  def __str__(self): return 'A'\nTIME_ZONE = Z()"}, nil, "A"},
		{"bytes", map[string]string{"omflow/settings.py": "TIME_ZONE = b'A'"}, nil, "A"},
		{"asks", map[string]string{"omflow/settings.py": "try:\n  input('?')\nexcept EOFError:\n  TIME_ZONE = 'A'"}, nil, "A"},
		{"thread that never ends", map[string]string{"omflow/settings.py": "import threading\nthreading.Thread(target=threading.Event().wait).start()\nTIME_ZONE = 'A'"}, nil, "A"},
		{"other encoding", map[string]string{"omflow/settings.py": "# -*- coding: latin-1 -*-\nTIME_ZONE = '\xe9'"}, nil, "é"},
		{"large", map[string]string{"omflow/settings.py": "UNUSED = '" + strings.Repeat("x", 3<<20) + "'\nTIME_ZONE = 'A'"}, nil, "A"},
		{"cyclic", map[string]string{"omflow/settings.py": "LOCAL_IP = 'x'\nDATABASES = {'default': {}}\nDATABASES['default']['OPTIONS'] = DATABASES\nTIME_ZONE = 'A'"}, nil, "A"},
		{"nothing", map[string]string{"omflow/settings.py": ""}, nil, "America/Chicago"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("OM_SECRET", "not passed on")
			c := home(t, test.files)
			c.Env = test.env
			if got := mustRead(t, c).TimeZone; got != test.want {
				t.Errorf("TIME_ZONE is %q, want %q", got, test.want)
			}
			left, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(c.File)), "*", "__pycache__"))
			if err != nil || len(left) > 0 {
				t.Errorf("byte code was written: %v %v", left, err)
			}
		})
	}
}

// TestStaleByteCode has a compiled file beside a source that changed since
// without another time or size.
func TestStaleByteCode(t *testing.T) {
	c := home(t, map[string]string{"omflow/settings.py": "TIME_ZONE = 'A'"})
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(c.File, then, then); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("python3", "-m", "py_compile", c.File).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(c.File, []byte("TIME_ZONE = 'B'"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(c.File, then, then); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, c).TimeZone; got != "B" {
		t.Errorf("TIME_ZONE is %q, want what the file says", got)
	}
}

func TestFails(t *testing.T) {
	for _, test := range []struct {
		name, text, err string
	}{
		{"raises", "x = 1\nraise ValueError('no such thing')", "it fails (omflow/settings.py, line 2): ValueError: no such thing"},
		{"raises elsewhere", "import other", "it fails (other.py, line 1): ZeroDivisionError"},
		{"syntax", "x = 1\ny = (", "it is no Python (omflow/settings.py, line 2)"},
		{"indentation", "if 1:\nx", "it is no Python (omflow/settings.py, line 2)"},
		{"null bytes", "\x00", "it "},
		{"variable", "import os\nP = os.environ['OM_NO_SUCH']", "it needs the environment variable OM_NO_SUCH (omflow/settings.py, line 2)"},
		{"key", "{}['key']", "KeyError: 'key'"},
		{"module", "import om_no_such_module", "it imports om_no_such_module (omflow/settings.py, line 1), which this Python does not have"},
		{"exit", "import sys\nsys.exit(3)", "it ends Python by itself (omflow/settings.py, line 2)"},
		{"interrupt", "raise KeyboardInterrupt", "KeyboardInterrupt"},
		{"hard exit", "import os, sys\nsys.stderr.write('gone\\n')\nsys.stderr.flush()\nos._exit(3)", "no answer came from Python (exit status 3): gone"},
		{"closes everything", "import os\nos.closerange(0, 100)", "no answer came from Python"},
		{"large value", "TIME_ZONE = 'x' * (2 << 20)", "larger than 1048576 bytes"},
		{"recursion", "def f(): f()\nf()", "RecursionError"},
		{"wrong kinds", "USE_TZ = 'yes'\nALLOWED_HOSTS = 7\nTIME_ZONE = []\nDATABASES = []\nBOOSTER_IP = 'http://10.0.0.1/'\nSECOND_BOOSTER_IP = 'b'\nSECOND_BOOSTER_PORT = 0", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Read(t.Context(), home(t, map[string]string{"omflow/settings.py": test.text, "other.py": "1/0"}))
			wants := []string{test.err}
			if test.err == "" {
				wants = []string{"write USE_TZ = True or", `write ALLOWED_HOSTS = ["…", "…"]`, "write TIME_ZONE = '…'", "write DATABASES = {'default'",
					`BOOSTER_IP is "http://10.0.0.1/": write an address`, `SECOND_BOOSTER_PORT is "0": write a number`}
			}
			for _, want := range wants {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one with %q", err, want)
				}
			}
		})
	}
}

// TestEndless has settings.py, and a process that it started, never end.
func TestEndless(t *testing.T) {
	c := home(t, map[string]string{"omflow/settings.py": "import subprocess, sys, os\nopen('pid', 'w').write(str(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid))\nos.rename('pid', 'child')\nwhile True: pass"})
	child := filepath.Join(filepath.Dir(filepath.Dir(c.File)), "child")
	// Two Pythons start in one second, or on a busy machine in many.
	for _, c.Timeout = range []time.Duration{2 * time.Second, 8 * time.Second, observe.Patience} {
		start := time.Now()
		_, err := Read(t.Context(), c)
		if took := time.Since(start); err == nil || !strings.Contains(err.Error(), "stopped after "+c.Timeout.String()) || took > c.Timeout+observe.Patience/2 {
			t.Errorf("after %s: %v", took, err)
		}
		if _, err := os.Stat(child); err == nil {
			break
		}
	}
	if runtime.GOOS == "linux" {
		mustBeGone(t, child)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestChildOutlives has settings.py start a process that holds Python's output
// open.
func TestChildOutlives(t *testing.T) {
	c := home(t, map[string]string{"omflow/settings.py": "import subprocess, sys\nopen('child', 'w').write(str(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid))\nTIME_ZONE = 'A'"})
	start := time.Now()
	if got := mustRead(t, c).TimeZone; got != "A" || time.Since(start) > observe.Patience {
		t.Errorf("TIME_ZONE is %q after %s", got, time.Since(start))
	}
	if runtime.GOOS == "linux" {
		mustBeGone(t, filepath.Join(filepath.Dir(filepath.Dir(c.File)), "child"))
	}
}

// mustBeGone waits for the process whose id is in the file to end.
func mustBeGone(t *testing.T, file string) {
	t.Helper()
	pid, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "process "+string(pid)+" that settings.py started has ended", func() bool {
		stat, err := os.ReadFile("/proc/" + string(pid) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

func TestNoPython(t *testing.T) {
	c := home(t, map[string]string{"omflow/settings.py": shipped})
	c.Python = []string{"no-such-python"}
	if _, err := Read(t.Context(), c); err == nil || !strings.Contains(err.Error(), "name the Python that runs OMFLOW") {
		t.Errorf("unknown command: %v", err)
	}
	c.Python = []string{filepath.Join(t.TempDir(), "python")}
	if _, err := Read(t.Context(), c); err == nil || !strings.Contains(err.Error(), "name the Python that runs OMFLOW") {
		t.Errorf("no such file: %v", err)
	}
	c = home(t, nil)
	if _, err := Read(t.Context(), c); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "home folder") {
		t.Errorf("no settings.py: %v", err)
	}
	if err := os.MkdirAll(c.File, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), c); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a folder: %v", err)
	}
}

// TestOldPython runs those too old Pythons that are installed.
func TestOldPython(t *testing.T) {
	c := home(t, map[string]string{"omflow/settings.py": shipped})
	tried := 0
	for _, python := range []string{"python2.7", "python3.4", "python3.5", "python3.6"} {
		if exec.Command(python, "-c", "pass").Run() != nil {
			continue
		}
		tried++
		c.Python = []string{python}
		if _, err := Read(t.Context(), c); err == nil || !strings.Contains(err.Error(), "is too old: OMFLOW needs 3.7.7 or newer") {
			t.Errorf("%s: %v", python, err)
		}
	}
	if tried == 0 {
		t.Skip("no old Python is installed here")
	}
}

func TestSecretsHidden(t *testing.T) {
	s := mustRead(t, home(t, map[string]string{"omflow/settings.py": shipped}))
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "settings", s, "pointer", &s)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "settings", s, "inside", struct{ S Settings }{s})
	j, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %s %s", s, s, s, s, log.String(), j)
	for _, secret := range []string{"k3y-0123456789", "p4ss-word", fmt.Sprint(s.SecretKey), "azN5LTAxMjM0NTY3ODk"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q shows in %s", secret, all)
		}
	}
	if !strings.Contains(all, s.Fingerprint()) || !strings.Contains(all, "postgres://om:***@db:5433/omflow") {
		t.Errorf("too much is hidden: %s", all)
	}
}
