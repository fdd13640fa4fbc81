package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/testbed/programs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settingsText is a settings.py of a server whose folder is %s.
const settingsText = `
SECRET_KEY = 'k3y-0123456789'
ALLOWED_HOSTS = ["*"]
DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'omflow', 'USER': 'om', 'PASSWORD': 'p4ss-word', 'HOST': '127.0.0.1', 'PORT': '5433'}}
LOG_DIR = '%s/logs'
PYTHON_PATH = ''
`

var discard = slog.New(slog.DiscardHandler)

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// server is a home with an OMFLOW Server in it, as far as this package looks.
func server(t testing.TB) (home string) {
	t.Helper()
	programs.Python(t)
	home = filepath.Join(t.TempDir(), "omflow")
	write(t, filepath.Join(home, "omflow", "settings.py"), fmt.Sprintf(settingsText, home))
	write(t, filepath.Join(home, "manage.py"), "import os\n")
	return home
}

// good is an Origin with nothing wrong.
func good() Origin {
	home := "/opt/omflow"
	if runtime.GOOS == "windows" {
		home = `C:\omflow`
	}
	return Origin{
		Name: "s1", System: runtime.GOOS, Home: home, Server: "10.0.0.21:8000", Options: json.RawMessage(`{"python":"python3"}`),
		Settings: fmt.Appendf(nil, settingsText, home), Fingerprint: "0123456789abcdef",
		Database: Database{"postgres", "127.0.0.1:5433", "omflow"}, Python: "3.11.2",
		Modules: []Module{{"django", "Django", "3.2.25"}, {"zoneinfo", "", ""}},
	}
}

// network is agents by name. Who asks is in a header, where the cluster has a
// certificate.
type network map[string]http.Handler

func (n network) as(name string) Client {
	return Client{
		Do: func(ctx context.Context, member string, r *http.Request) (*http.Response, error) {
			h := n[member]
			if h == nil {
				return nil, fmt.Errorf("%s is not reached", member)
			}
			r = r.Clone(ctx)
			r.Header.Set("Name", name)
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			return rec.Result(), nil
		},
		Agents: func() (out []string) {
			for _, other := range []string{"s1", "s2", "s3"} {
				if n[other] != nil && other != name {
					out = append(out, other)
				}
			}
			return out
		},
	}
}

func peerOf(r *http.Request) (string, bool, bool) {
	name := r.Header.Get("Name")
	return name, name == "booster", name != ""
}

// answers is an agent that says what it is told to.
func answers(o Origin) http.Handler {
	return Handler(func(context.Context) (Origin, error) { return o, nil }, peerOf, discard)
}

// says is a peer that answers anything.
func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}
