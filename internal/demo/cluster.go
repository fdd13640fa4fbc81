package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// cluster is what runs, and where.
type cluster struct {
	Config
	database int // port
	postgres int // the database's port for clients of PostgreSQL, as the agents are
	booster  int // port of the cluster
	servers  []server
}

type server struct {
	name  string
	port  int // it serves requests at
	agent int // its agent's port of the cluster
}

func plan(c Config) (*cluster, error) {
	d := &cluster{Config: c}
	var err error
	port := func(preferred int) (p int) {
		if err == nil {
			p, err = freePort(preferred)
		}
		return p
	}
	d.database, d.postgres, d.booster = port(0), port(0), port(0)
	for i := range c.Servers {
		d.servers = append(d.servers, server{name: fmt.Sprintf("s%d", i+1), port: port(firstPort + i), agent: port(0)})
	}
	return d, err
}

func (d *cluster) path(name string) string { return filepath.Join(d.Dir, name) }

// write writes the configuration files.
func (d *cluster) write() error {
	if err := os.MkdirAll(d.Dir, 0o755); err != nil {
		return fmt.Errorf("make the demo's folder: %w", err)
	}
	booster := fmt.Sprintf(`# The demo's booster.
{
	admin %s
	persist_config off
	auto_https off
	omflow {
		name booster
		listen 127.0.0.1:%d
		state_dir %q
	}
}

http://%s {
	omflow_dashboard
	omflow_booster
}
`, d.Admin, d.booster, d.path("booster-state"), d.Listen)
	files := map[string]string{"booster.Caddyfile": booster}
	for _, s := range d.servers {
		files[s.name+".Caddyfile"] = fmt.Sprintf(`# The demo's agent beside server %[1]s.
{
	admin off
	persist_config off
	omflow {
		name %[1]s
		listen 127.0.0.1:%[2]d
		join 127.0.0.1:%[3]d
		state_dir %[4]q
		agent {
			home %[5]q
			server 127.0.0.1:%[6]d
			run %[7]q omflow stand-in --name %[1]s --listen 127.0.0.1:%[6]d --home %[5]q --database 127.0.0.1:%[8]d --postgres 127.0.0.1:%[10]d --time-scale %[9]g
			database postgres://omflow@127.0.0.1:%[10]d/omflow?sslmode=disable
			stop_grace 5s
			patch
			replicate
		}
	}
}
`, s.name, s.agent, d.booster, d.path(s.name+"-state"), d.path(s.name), s.port, d.Program, d.database, d.TimeScale, d.postgres)
		if err := os.MkdirAll(d.path(s.name), 0o755); err != nil {
			return fmt.Errorf("make the server's folder: %w", err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(d.path(name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write the demo's configuration: %w", err)
		}
	}
	return nil
}

// start starts everything in the order of a real set-up: database and booster
// first, then the agents.
func (d *cluster) start(g *group) error {
	if err := g.start("database", "omflow", "stand-in", "database", "--listen", fmt.Sprintf("127.0.0.1:%d", d.database),
		"--postgres", fmt.Sprintf("127.0.0.1:%d", d.postgres)); err != nil {
		return err
	}
	if err := g.start("booster", "run", "--config", d.path("booster.Caddyfile"), "--adapter", "caddyfile"); err != nil {
		return err
	}
	for _, s := range d.servers {
		if err := g.start(s.name, "run", "--config", d.path(s.name+".Caddyfile"), "--adapter", "caddyfile"); err != nil {
			return err
		}
	}
	return nil
}

// explain says what can be done now.
func (d *cluster) explain() {
	first := d.servers[0]
	admin := ""
	if d.Admin != defaultAdmin {
		admin = " --address " + d.Admin
	}
	command := shellQuote(d.Program) + " omflow"
	fmt.Fprintf(d.Out, `
OMFLOW is served at   http://%[1]s/   (user admin, password admin)
Status page           http://%[1]s/booster/
Admin API             curl -s http://%[2]s/omflow/status
Metrics               curl -s http://%[2]s/metrics
Files and logs        %[3]s

Things to try, in another terminal:

  %[4]s status --watch%[5]s
      servers, queue and members
  %[4]s drain %[6]s --wait%[5]s
      take %[6]s out without losing a request; "resume %[6]s%[5]s" brings it back
  pkill -9 -f -- '--listen 127.0.0.1:%[7]d'
      kill %[6]s; its agent starts it again, and you stay logged in
  echo '# a patch' > %[8]s
      save a file on one server: all others get it, and are restarted in turn;
      "releases%[5]s" lists it, "releases rollback 1%[5]s" takes it back
  curl -s -u admin:admin -X POST http://%[1]s/accounts/api/security/get/
      get a REST token, as an API client does

Ctrl-C stops everything.
`, d.Listen, d.Admin, d.Dir, command, admin, first.name, first.port, shellQuote(filepath.Join(d.path(d.servers[len(d.servers)-1].name), "omflow", "patched.py")))
}

func shellQuote(s string) string {
	if strings.ContainsAny(s, " '\"\\$`") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// countUp reads the answer of the admin API.
func countUp(r io.Reader) (int, error) {
	var servers []struct {
		State string `json:"state"`
	}
	if err := json.NewDecoder(io.LimitReader(r, 1<<20)).Decode(&servers); err != nil {
		return 0, fmt.Errorf("read the booster's answer: %w", err)
	}
	n := 0
	for _, s := range servers {
		if s.State == "up" {
			n++
		}
	}
	return n, nil
}
