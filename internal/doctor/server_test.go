package doctor

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/omflow/settings/alike"
)

// home makes a folder that looks like an OMFLOW Server's.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"manage.py": 0o644, "start": 0o755, "start.exe": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// omflow makes such a folder with a settings.py of these words.
func omflow(t *testing.T, text string) string {
	t.Helper()
	dir := home(t)
	if err := os.Mkdir(filepath.Join(dir, "omflow"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(settings.FileIn(dir), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestHome(t *testing.T) {
	dir := home(t)
	for folder, want := range map[string]verdict{
		dir:                             good("holds an OMFLOW Server"),
		t.TempDir():                     ill("no OMFLOW Server in it", "manage.py"),
		filepath.Join(dir, "none"):      ill("none", "as `home`"),
		filepath.Join(dir, "manage.py"): ill("is a file", "as `home`"),
	} {
		want.hold(t, folder, result(t, Server{Home: folder}.Checks(), "home"))
	}
}

func TestStartCommand(t *testing.T) {
	dir := home(t)
	start := filepath.Join(dir, "start")
	if runtime.GOOS == "windows" {
		start += ".exe"
	}
	for name, tt := range map[string]struct {
		run  []string
		want verdict
	}{
		"whole path":      {[]string{start}, good(start)},
		"from home":       {[]string{"." + string(filepath.Separator) + filepath.Base(start)}, good(start)},
		"by PATH":         {[]string{"go", "omflow.wsgi"}, good("go")},
		"not there":       {[]string{"/none/gunicorn"}, ill("/none/gunicorn", "program's whole path")},
		"not in PATH":     {[]string{"omflow-none"}, ill("omflow-none", "program's whole path")},
		"no program":      {[]string{filepath.Join(dir, "manage.py")}, ill("manage.py")},
		"runserver":       {[]string{start, "manage.py", "runserver", "--noreload"}, ill("runserver starts the schedules", "for production")},
		"schedules":       {[]string{start, "RUN_MAIN=true", "gunicorn"}, ill("RUN_MAIN in `run`", "lead_env")},
		"workers":         {[]string{start, "gunicorn", "--workers", "4"}, ill("4 worker processes", "--workers 1")},
		"workers=":        {[]string{start, "/venv/bin/gunicorn3", "--workers=2"}, ill("2 worker processes")},
		"-w":              {[]string{start, "gunicorn", "-w", "3"}, ill("3 worker processes")},
		"-w3":             {[]string{start, "gunicorn", "-w3"}, ill("3 worker processes")},
		"one worker":      {[]string{start, "gunicorn", "-w", "1", "--threads", "8"}, good()},
		"another's flags": {[]string{start, "waitress-serve", "-w", "4"}, good()},
	} {
		tt.want.hold(t, name, result(t, Server{Home: dir, Run: tt.run}.Checks(), "start command"))
	}
	for _, c := range (Server{Home: dir}).Checks() {
		if c.Name == "start command" {
			t.Error("a server that the agent does not start has a start command")
		}
	}
	if runtime.GOOS != "windows" && os.Getuid() != 0 {
		ill("may not be executed", "chmod +x").hold(t, "not executable", result(t, Server{Home: dir, Run: []string{"./manage.py"}}.Checks(), "start command"))
	}
}

// TestSettings: what settings.py says. None has a database here, which is told once more
// by that check.
func TestSettings(t *testing.T) {
	broken := errors.New("it is no Python")
	python, err := os.Executable() // any program will do
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		settings settings.Settings
		err      error
		python   string
		join     []string
		want     map[string]verdict
	}{
		"well": {
			settings: settings.Settings{Python: "3.11.2", Django: "3.2", SecretKey: []byte("k3y-0123456789"), TimeZone: "UTC", AllowedHosts: []string{"*"}},
			want: map[string]verdict{
				"python": good("Python 3.11.2, Django 3.2"), "SECRET_KEY": unknown("no booster tells", "1-k3y-"),
				"time zone": good("UTC, where it is", "must say the same"), "BOOSTER_IP": ill("neither does `join`", "BOOSTER_IP = '10"), "settings.py": ill("ENGINE is empty", "settings.py"),
			},
		},
		"unreadable": {
			err: broken,
			want: map[string]verdict{
				"python": unknown("could not be read"), "settings.py": ill("no Python", "restart this OMFLOW Server"), "SECRET_KEY": unknown("gives none"),
				"time zone": unknown("could not be read"), "BOOSTER_IP": unknown("could not be read"),
			},
		},
		"another Python": {settings: settings.Settings{Python: "3.11.2"}, want: map[string]verdict{"python": ill("without Django", "`python /opt")}},
		"no Python":      {python: "python-none", err: broken, want: map[string]verdict{"python": ill("python-none", "`python /opt")}},
		"nowhere":        {settings: settings.Settings{TimeZone: "Asia/Nowhere"}, want: map[string]verdict{"time zone": ill("Asia/Nowhere is no time zone", "TIME_ZONE")}},
		"no key":         {settings: settings.Settings{}, want: map[string]verdict{"settings.py": ill("SECRET_KEY is empty", "restart")}},
		"boosters": {
			settings: settings.Settings{Boosters: []string{"10.0.0.1:5169", "10.0.0.2:5169"}}, join: []string{"primary:5169", "10.0.0.2:5169"},
			want: map[string]verdict{"BOOSTER_IP": good("the same boosters")},
		},
		"in another order": {
			settings: settings.Settings{Boosters: []string{"10.0.0.2:5169", "10.0.0.1:5169"}}, join: []string{"10.0.0.1:5169", "10.0.0.2:5169"},
			want: map[string]verdict{"BOOSTER_IP": ill("names 10.0.0.2:5169 10.0.0.1:5169, and `join` names 10.0.0.1:5169 10.0.0.2:5169", "same order")},
		},
		"one of two":    {settings: settings.Settings{Boosters: []string{"10.0.0.1:5169"}}, join: []string{"10.0.0.1:5169", "10.0.0.2:5169"}, want: map[string]verdict{"BOOSTER_IP": ill("`join` names")}},
		"another port":  {settings: settings.Settings{Boosters: []string{"10.0.0.1:5170"}}, join: []string{"10.0.0.1:5169"}, want: map[string]verdict{"BOOSTER_IP": ill("5170")}},
		"unknown names": {settings: settings.Settings{Boosters: []string{"x:5169"}}, join: []string{"y:5169"}, want: map[string]verdict{"BOOSTER_IP": ill("names x:5169")}},
		"no port":       {settings: settings.Settings{Boosters: []string{"x"}}, join: []string{"y"}, want: map[string]verdict{"BOOSTER_IP": ill("names x")}},
		"no join":       {settings: settings.Settings{Boosters: []string{"10.0.0.1:5169"}}, want: map[string]verdict{"BOOSTER_IP": good("of settings.py are joined")}},
		"only join":     {settings: settings.Settings{}, join: []string{"10.0.0.1:5169"}, want: map[string]verdict{"BOOSTER_IP": good("`join` does")}},
	} {
		t.Run(name, func(t *testing.T) {
			s := Server{
				Home: t.TempDir(), Python: python, Join: tt.join,
				Settings: func(context.Context) (settings.Settings, error) { return tt.settings, tt.err },
				Label:    func(s settings.Settings) string { return "1-" + string(s.SecretKey[:4]) },
				Others:   func(context.Context) (map[string]alike.Facts, bool) { return nil, false },
				Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
					if host != "primary" {
						return nil, errors.New("no such host")
					}
					return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
				},
			}
			if tt.python != "" {
				s.Python = tt.python
			}
			for check, want := range tt.want {
				want.hold(t, check, result(t, s.Checks(), check))
			}
		})
	}
}

// TestFiresSchedules: a Python that keeps OMFLOW's schedules from firing is told of.
func TestFiresSchedules(t *testing.T) {
	dir := home(t)
	if err := os.MkdirAll(filepath.Join(dir, "omflow"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "omflow", "schedule_base.py"), []byte("isinstance(tag, collections.Hashable)"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		home string
		read settings.Settings
		want verdict
	}{
		"too new":        {dir, settings.Settings{Python: "3.11.2"}, ill("no schedule fires: Python 3.11.2", "Python 3.9")},
		"old enough":     {dir, settings.Settings{Python: "3.9.2", Hashable: true}, good("nothing in Python 3.9.2")},
		"another OMFLOW": {t.TempDir(), settings.Settings{Python: "3.13.0"}, good("nothing in Python 3.13.0")},
		"unreadable":     {dir, settings.Settings{}, unknown("could not be read")},
	} {
		s := Server{Home: tt.home, Python: "python3", Settings: func(context.Context) (settings.Settings, error) { return tt.read, nil }}
		tt.want.hold(t, name, result(t, s.Checks(), "schedules"))
	}
}

// TestOthers: what the other servers have, as the boosters tell.
func TestOthers(t *testing.T) {
	for name, tt := range map[string]struct {
		others    map[string]alike.Facts
		key, zone verdict
	}{
		"nobody yet": {nil, good("no other server yet"), good("UTC, where it is")},
		"alike":      {map[string]alike.Facts{"s2": {SecretKey: "1-k3y", TimeZone: "UTC"}, "s3": {SecretKey: "1-k3y"}}, good("the same on s2, s3"), good("UTC")},
		"different": {map[string]alike.Facts{"s2": {SecretKey: "1-k3y", TimeZone: "UTC"}, "s3": {SecretKey: "1-other", TimeZone: "Asia/Taipei"}},
			ill("not that of s3", "same SECRET_KEY"), ill("it is UTC, and s3 has Asia/Taipei", "same TIME_ZONE")},
		"another cluster key": {map[string]alike.Facts{"s2": {SecretKey: "2-k3y"}}, unknown("s2: it has no key, or the cluster key"), good("UTC")},
	} {
		s := Server{
			Home: t.TempDir(), Python: "python3",
			Settings: func(context.Context) (settings.Settings, error) {
				return settings.Settings{SecretKey: []byte("k3y"), TimeZone: "UTC"}, nil
			},
			Label:  func(s settings.Settings) string { return "1-" + string(s.SecretKey) },
			Others: func(context.Context) (map[string]alike.Facts, bool) { return tt.others, true },
		}
		tt.key.hold(t, name, result(t, s.Checks(), "SECRET_KEY"))
		tt.zone.hold(t, name, result(t, s.Checks(), "time zone"))
		s.Label = nil
		unknown("without a cluster key").hold(t, name, result(t, s.Checks(), "SECRET_KEY"))
	}
}
