//go:build unix

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/testbed/programs"
	"github.com/omflow/booster/internal/trust"
)

// family is a cluster of which another server is a member.
type family struct {
	mu    sync.Mutex
	told  map[string]alike.Facts
	ahead time.Duration
	tells int
	log   bytes.Buffer
}

func (f *family) Tell(facts alike.Facts) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told["s1"] = facts
	f.tells++
	return nil
}

func (f *family) Facts() map[string]alike.Facts {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]alike.Facts)
	for server, facts := range f.told {
		all[server] = facts
	}
	return all
}

func (f *family) Ahead(context.Context) (time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ahead == 0 {
		return 0, errors.New("no booster answers")
	}
	return f.ahead, nil
}

// Write implements io.Writer, for the log.
func (f *family) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(b)
}

// logs waits until the log says something.
func (f *family) logs(t *testing.T, want string) {
	t.Helper()
	observe.Succeeds(t, "the log says "+want, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if said := f.log.String(); !strings.Contains(said, want) {
			return errors.New(said)
		}
		return nil
	})
}

func settingsFile(t *testing.T, home, text string) {
	t.Helper()
	file := filepath.Join(home, "omflow", "settings.py")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const wellSettings = "SECRET_KEY = 'k3y-of-all'\nALLOWED_HOSTS = ['*']\nTIME_ZONE = 'Asia/Taipei'\n" +
	"DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'omflow', 'USER': 'om', 'HOST': 'db'}}\n"

// TestLikeness: an agent tells what is its server's, and warns of what is not as on the
// others, by name.
func TestLikeness(t *testing.T) {
	programs.Python(t)
	keys := trust.Loopback()
	other := alike.Facts{SecretKey: keys.Label("SECRET_KEY of settings.py", []byte("k3y-of-all")), TimeZone: "Asia/Taipei"}
	for name, tt := range map[string]struct {
		settings string
		ahead    time.Duration
		want     string
	}{
		"another key":  {strings.Replace(wellSettings, "k3y-of-all", "an0ther", 1), 0, "SECRET_KEY is not the same on s1 (label "},
		"no key":       {strings.Replace(wellSettings, "k3y-of-all", "", 1), 0, "s1: SECRET_KEY is empty"},
		"another zone": {strings.Replace(wellSettings, "Asia/Taipei", "UTC", 1), 0, "TIME_ZONE is UTC on s1, and Asia/Taipei on s2"},
		"SQLite":       {strings.Replace(wellSettings, "postgresql", "sqlite3", 1), 0, "SQLite cannot be shared"},
		"no Python":    {"(", 0, "it is no Python"},
		"clock":        {wellSettings, -8 * time.Second, "s1: its clock is 8s behind the booster's"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &family{told: map[string]alike.Facts{"s2": other}, ahead: tt.ahead}
			home := t.TempDir()
			settingsFile(t, home, tt.settings)
			l := likeness{server: "s1", source: source{home: home, python: "python3"}, keys: keys, to: f, log: slog.New(slog.NewTextHandler(f, nil))}.watch()
			defer l.close()
			f.logs(t, tt.want)
			f.mu.Lock()
			f.ahead = time.Millisecond
			f.mu.Unlock()
			settingsFile(t, home, wellSettings)
			l.started() // a server that was started anew has read the file
			f.logs(t, "nothing is wrong any more")
			if got := f.Facts()["s1"]; got != other {
				t.Errorf("told %+v, want %+v", got, other)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if said := f.log.String(); strings.Contains(said, "k3y") || strings.Contains(said, "an0ther") {
				t.Errorf("a key is logged: %s", said)
			}
		})
	}
}

// TestSchedulesTold: an agent warns when its server's Python keeps schedules from firing.
func TestSchedulesTold(t *testing.T) {
	programs.Python(t)
	f := &family{told: map[string]alike.Facts{}}
	home := t.TempDir()
	settingsFile(t, home, wellSettings+"import collections\nvars(collections).pop('Hashable', None)\n") // as in Python 3.10
	if err := os.WriteFile(filepath.Join(home, "omflow", "schedule_base.py"), []byte("collections.Hashable"), 0o644); err != nil {
		t.Fatal(err)
	}
	l := likeness{server: "s1", source: source{home: home, python: "python3"}, keys: trust.Loopback(), to: f, log: slog.New(slog.NewTextHandler(f, nil))}.watch()
	defer l.close()
	f.logs(t, "s1: no schedule fires: Python ")
	settingsFile(t, home, wellSettings+"import collections.abc; collections.Hashable = collections.abc.Hashable\n")
	l.started()
	f.logs(t, "nothing is wrong any more")
}

// TestOtherModule: what settings.py takes from elsewhere is read again with each start of
// the server, though the file itself has not changed.
func TestOtherModule(t *testing.T) {
	programs.Python(t)
	f := &family{told: map[string]alike.Facts{}}
	home := t.TempDir()
	settingsFile(t, home, wellSettings+"from site_local import TIME_ZONE\n")
	zone := func(name string) {
		if err := os.WriteFile(filepath.Join(home, "site_local.py"), []byte("TIME_ZONE = '"+name+"'"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	told := func(want string) {
		t.Helper()
		observe.Succeeds(t, "others are told "+want, func() error {
			if facts := f.Facts()["s1"]; facts.TimeZone != want {
				return fmt.Errorf("they are told %+v", facts)
			}
			return nil
		})
	}
	zone("UTC")
	l := likeness{server: "s1", source: source{home: home, python: "python3"}, keys: trust.Loopback(), to: f, log: slog.New(slog.DiscardHandler)}.watch()
	defer l.close()
	told("UTC")
	zone("Asia/Tokyo")
	l.started()
	told("Asia/Tokyo")
}

// TestNoSettings: a folder whose settings.py has yet to come has nothing to tell, until
// it is there.
func TestNoSettings(t *testing.T) {
	f := &family{told: map[string]alike.Facts{}}
	home := t.TempDir()
	l := likeness{server: "s1", source: source{home: home, python: "python-none"}, keys: trust.Loopback(), to: f, log: slog.New(slog.NewTextHandler(f, nil))}
	l.look(t.Context())
	if f.tells != 0 || f.log.Len() != 0 {
		t.Errorf("told %v, logged %s", f.told, f.log.String())
	}
	settingsFile(t, home, wellSettings)
	l.look(t.Context())
	if f.tells != 1 || !strings.Contains(f.log.String(), "name the Python that runs OMFLOW") {
		t.Errorf("told %v, logged %s", f.told, f.log.String())
	}
}
