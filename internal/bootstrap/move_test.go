//go:build unix

package bootstrap

import (
	"slices"
	"strings"
	"testing"
)

var from, to = Place{"s1", "/opt/omflow", "10.0.0.21:8000"}, Place{"s4", "/srv/om", "10.0.0.24:8001"}

func TestCommand(t *testing.T) {
	for _, tt := range []struct{ was, is string }{
		{"gunicorn omflow.wsgi --workers 1 --threads 8 --bind 10.0.0.21:8000", "gunicorn omflow.wsgi --workers 1 --threads 8 --bind 10.0.0.24:8001"},
		{"/opt/omflow/venv/bin/gunicorn --bind=10.0.0.21:8000 --chdir=/opt/omflow omflow.wsgi", "/srv/om/venv/bin/gunicorn --bind=10.0.0.24:8001 --chdir=/srv/om omflow.wsgi"},
		{"gunicorn --bind 0.0.0.0:8000 omflow.wsgi", "gunicorn --bind 0.0.0.0:8001 omflow.wsgi"},
		{"gunicorn --bind :8000 -b [::]:8000", "gunicorn --bind :8001 -b [::]:8001"},
		{"gunicorn --bind 10.0.0.99:8000", "gunicorn --bind 10.0.0.99:8000"}, // somebody else's
		{"waitress-serve --threads 8 --host 10.0.0.21 --port 8000 omflow.wsgi:application", "waitress-serve --threads 8 --host 10.0.0.24 --port 8001 omflow.wsgi:application"},
		{"waitress-serve --port=8000 --host=10.0.0.21", "waitress-serve --port=8001 --host=10.0.0.24"},
		{"x --max-requests=8000 --http-port=8000", "x --max-requests=8000 --http-port=8001"},
		{"x --max-requests 8000 --timeout=30", "x --max-requests 8000 --timeout=30"},
		{"x --name s1 s1 --name=s1", "x --name s4 s1 --name=s4"},
		{"/opt/omflow-old/bin/x /data/opt/omflow /opt/omflow.bak", "/opt/omflow-old/bin/x /data/opt/omflow /opt/omflow.bak"},
		{"10.0.0.21:8000", "10.0.0.21:8000"}, // a program's name
	} {
		got := Move{from, to}.Command(strings.Fields(tt.was))
		if want := strings.Fields(tt.is); !slices.Equal(got, want) {
			t.Errorf("%s\nis   %q\nwant %q", tt.was, got, want)
		}
	}
	if got := (Move{from, from}).Command([]string{"gunicorn", "--bind", "10.0.0.21:8000"}); got[2] != "10.0.0.21:8000" {
		t.Errorf("nothing moved: %q", got)
	}
}

func TestSettings(t *testing.T) {
	const text = `
LOG_DIR = '/opt/omflow/logs'
OLD = "/opt/omflow2", "/opt/omflow"
LOCAL_IP = "10.0.0.21"
PYTHON_PATH = "/usr/bin/python3"  # ours
OTHER_PYTHON_PATH = '/usr/bin/python3'
if True:
    PYTHON_PATH = r'C:\\py'
`
	const want = `
LOG_DIR = '/srv/om/logs'
OLD = "/opt/omflow2", "/srv/om"
LOCAL_IP = "10.0.0.21"
PYTHON_PATH = "/srv/\"py\\3"  # ours
OTHER_PYTHON_PATH = '/usr/bin/python3'
if True:
    PYTHON_PATH = "/srv/\"py\\3"
`
	if got := string(Move{from, to}.Settings([]byte(text), `/srv/"py\3`)); got != want {
		t.Errorf("%s", got)
	}
	const empty = "PYTHON_PATH = \"\"\nPYTHON_PATH = ''\n"
	if got := string(Move{from, to}.Settings([]byte(empty), "/usr/bin/python3")); got != empty {
		t.Errorf("%s", got)
	}
}
