package agent

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/health"
)

func provision(t *testing.T, a *Agent) error {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := a.Provision(ctx); err != nil {
		return err
	}
	return a.Validate()
}

func TestDefaults(t *testing.T) {
	a := &Agent{Server: "10.0.0.21:8000", Home: t.TempDir()}
	if err := provision(t, a); err != nil {
		t.Fatal(err)
	}
	if a.StopGrace != caddy.Duration(40*time.Second) || a.Capacity != 8 || a.Weight != 100 {
		t.Errorf("stop_grace %s, capacity %d, weight %d", time.Duration(a.StopGrace), a.Capacity, a.Weight)
	}
	if !slices.Equal(a.LeadEnv, []string{"RUN_MAIN=true"}) || a.Python != "python3" || a.Database != "settings" {
		t.Errorf("lead_env %q, python %s, database %s", a.LeadEnv, a.Python, a.Database)
	}
	if c := a.checks; c.Interval != 2*time.Second || c.Timeout != 2*time.Second || c.Fall != 3 || c.Rise != 2 {
		t.Errorf("health %+v", c)
	}
	if a.checks.Live.URI != "/rest/x" || a.checks.Ready.URI != "/accounts/api/agree/get/" || a.checks.Ready.Judge == nil {
		t.Errorf("OMFLOW's checks: %+v, %+v", a.checks.Live, a.checks.Ready)
	}
}

func TestChecks(t *testing.T) {
	uri := func(c *health.Check) string {
		if c == nil {
			return "-"
		}
		if c.Judge != nil {
			return c.URI + " judged"
		}
		return c.URI + " " + c.Expect
	}
	for _, tt := range []struct {
		health      caddyconf.Health
		isOMFLOW    bool
		live, ready string
	}{
		{caddyconf.Health{}, true, "/rest/x judged", "/accounts/api/agree/get/ judged"},
		{caddyconf.Health{Live: "/l"}, true, "/l ", "/accounts/api/agree/get/ judged"},
		{caddyconf.Health{Ready: "/r", ReadyExpect: "yes"}, true, "/rest/x judged", "/r yes"},
		{caddyconf.Health{Live: "/l"}, false, "/l ", "-"},
		{caddyconf.Health{Ready: "/r"}, false, "-", "/r "},
	} {
		cfg := tt.health.Config(tt.isOMFLOW)
		if uri(cfg.Live) != tt.live || uri(cfg.Ready) != tt.ready {
			t.Errorf("%+v, OMFLOW %v: live %q, ready %q", tt.health, tt.isOMFLOW, uri(cfg.Live), uri(cfg.Ready))
		}
	}
}

func TestValidate(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "settings.py")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		agent Agent
		want  string // part of the error; empty: accepted
	}{
		{Agent{Server: "a:80", Home: home}, ""},
		{Agent{Server: "a:80", Health: &caddyconf.Health{Live: "/"}}, ""},
		{Agent{Server: "a:80", Health: &caddyconf.Health{Ready: "/", ReadyExpect: "ok"}}, ""},
		{Agent{Home: home, Health: &caddyconf.Health{Live: "/"}}, "server is missing"},
		{Agent{Server: "a", Home: home}, "host:port"},
		{Agent{Server: "a:80"}, "without home, health must say"},
		{Agent{Server: "a:80", Health: &caddyconf.Health{Fall: 2}}, "without home, health must say"},
		{Agent{Server: "a:80", Home: home, Health: &caddyconf.Health{ReadyExpect: "ok"}}, "ready_expect without ready"},
		{Agent{Server: "a:80", Home: home + "/nowhere"}, "write the folder"},
		{Agent{Server: "a:80", Home: file}, "is a file"},
		{Agent{Server: "a:80", Home: home, Run: []string{""}}, "empty word"},
		{Agent{Server: "a:80", Home: home, Run: []string{"gunicorn", "omflow.wsgi"}, LeadEnv: []string{"A=", "B=c=d"}, Database: "none"}, ""},
		{Agent{Server: "a:80", Home: home, Run: []string{"python3", "manage.py", "runserver", "--noreload"}}, "they would fire several times"},
		{Agent{Server: "a:80", Run: []string{"python3", "manage.py", "runserver"}, Health: &caddyconf.Health{Live: "/"}}, ""}, // no OMFLOW
		{Agent{Server: "a:80", Home: home, Run: []string{"env", "RUN_MAIN=true", "gunicorn", "omflow.wsgi"}}, "RUN_MAIN=true makes each server the lead server"},
		{Agent{Server: "a:80", Home: home, LeadEnv: []string{"A"}}, `lead_env "A"`},
		{Agent{Server: "a:80", Home: home, Database: "sqlite:///db.sqlite3"}, "database: "},
		{Agent{Server: "a:80", Database: "settings", Health: &caddyconf.Health{Live: "/"}}, "database settings needs home"},
		{Agent{Server: "a:80", Home: home, StopGrace: -1}, "negative"},
		{Agent{Server: "a:80", Home: home, Capacity: -1}, "capacity -1"},
		{Agent{Server: "a:80", Home: home, Weight: maxWeight + 1}, "weight 10001"},
		{Agent{Server: "a:80", Home: home, Health: &caddyconf.Health{Interval: -1}}, "interval"},
		{Agent{Server: "a:80", Home: home, Health: &caddyconf.Health{Timeout: -1}}, "timeout"},
		{Agent{Server: "a:80", Home: home, Health: &caddyconf.Health{Fall: -1}}, "fall"},
		{Agent{Server: "a:80", Home: home, Health: &caddyconf.Health{Rise: -1}}, "rise"},
		{Agent{Server: "a:80", Health: &caddyconf.Health{Live: "/a b"}}, "spaces"},
		{Agent{Server: "a:80", Health: &caddyconf.Health{Ready: "x"}}, "begin with a slash"},
	} {
		err := provision(t, &tt.agent)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%+v refused: %v", tt.agent, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%+v: error %v, want %q", tt.agent, err, tt.want)
		}
	}
}

func TestHomeIsMadeAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("omflow", 0o700); err != nil {
		t.Fatal(err)
	}
	a := &Agent{Server: "a:80", Home: "omflow"}
	if err := provision(t, a); err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(a.Home) || filepath.Base(a.Home) != "omflow" {
		t.Errorf("home %q", a.Home)
	}
}

// TestStopWithoutStart: Caddy stops apps whose start failed.
func TestStopWithoutStart(t *testing.T) {
	if err := new(Agent).Stop(); err != nil {
		t.Error(err)
	}
}
