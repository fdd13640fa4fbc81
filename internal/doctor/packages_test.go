package doctor

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/omflow/booster/internal/bootstrap"
	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/testbed/programs"
)

// readOf is what Python says of a settings.py with a database of this engine.
func readOf(t *testing.T, engine string) settings.Settings {
	t.Helper()
	home := omflow(t, `DATABASES = {"default": {"ENGINE": "`+engine+`", "NAME": "omflow", "USER": "om", "HOST": "10.0.0.5"}}`)
	read, err := settings.Read(t.Context(), settings.Config{File: settings.FileIn(home), Python: []string{programs.Python(t)}})
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// TestPackages: what a server's database and command need is asked of its Python.
func TestPackages(t *testing.T) {
	const postgres, mysql = "django.db.backends.postgresql", "django.db.backends.mysql"
	gunicorn := []string{"gunicorn", "omflow.wsgi"}
	none := bootstrap.NotInstalled
	for name, tt := range map[string]struct {
		engine   string
		run      []string
		failures map[string]string
		err      error
		want     verdict
	}{
		"well":               {postgres, gunicorn, map[string]string{"psycopg": none}, nil, good("psycopg2, gunicorn")},
		"another driver":     {postgres, gunicorn, map[string]string{"psycopg2": none}, nil, good("psycopg, gunicorn")},
		"started elsewhere":  {postgres, nil, nil, nil, good("psycopg2")},
		"no driver":          {postgres, gunicorn, map[string]string{"psycopg2": none, "psycopg": none}, nil, ill("python3 can't import psycopg2: it is not installed", "python3 -m pip install psycopg2,")},
		"broken":             {mysql, nil, map[string]string{"MySQLdb": "libmariadb.so.3: cannot open", "pymysql": none}, nil, ill("MySQLdb: libmariadb.so.3", "mysqlclient")},
		"the other broken":   {mysql, nil, map[string]string{"MySQLdb": none, "pymysql": "no ssl"}, nil, ill("pymysql: no ssl")},
		"another gunicorn":   {postgres, gunicorn, map[string]string{"gunicorn": none}, nil, ill("gunicorn: it is not installed", "pip install gunicorn,", "name with `python`")},
		"neither":            {postgres, []string{"waitress-serve"}, map[string]string{"psycopg2": none, "psycopg": none, "waitress": none}, nil, ill("psycopg2: it is not installed; waitress:", "pip install psycopg2 waitress")},
		"no answer":          {postgres, gunicorn, nil, errors.New("run Python: killed"), ill("run Python: killed", "as the user that the service runs as")},
		"no usable database": {"django.db.backends.sqlite3", []string{"/opt/start"}, nil, nil, unknown("names no database")},
	} {
		t.Run(name, func(t *testing.T) {
			read := readOf(t, tt.engine)
			s := Server{
				Home: t.TempDir(), Run: tt.run, Python: "python3",
				Settings: func(context.Context) (settings.Settings, error) { return read, nil },
				Import: func(_ context.Context, command []string, modules []string) (map[string]string, error) {
					if !slices.Equal(command, []string{"python3"}) || slices.Contains(modules, "") {
						t.Errorf("%s is asked for %q", command, modules)
					}
					return tt.failures, tt.err
				},
			}
			tt.want.hold(t, name, result(t, s.Checks(), "Python packages"))
		})
	}
	unreadable := Server{Settings: func(context.Context) (settings.Settings, error) {
		return settings.Settings{}, errors.New("it is no Python")
	}}
	unknown("could not be read").hold(t, "unreadable", result(t, unreadable.Checks(), "Python packages"))
}

// TestPackagesOfPython asks a real one.
func TestPackagesOfPython(t *testing.T) {
	read := readOf(t, "django.db.backends.postgresql")
	s := Server{
		Run: []string{"daphne"}, Python: programs.Python(t),
		Settings: func(context.Context) (settings.Settings, error) { return read, nil },
	}
	r := result(t, s.Checks(), "Python packages")
	failures, err := bootstrap.Import(t.Context(), []string{s.Python}, []string{"daphne"})
	if err != nil {
		t.Fatal(err)
	}
	if failures["daphne"] == "" {
		t.Skip("this Python has daphne")
	}
	ill("daphne: "+failures["daphne"], s.Python+" -m pip install").hold(t, "without daphne", r)
}
