package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/doctor"
	"github.com/omflow/booster/internal/trust"
)

// writtenTo writes a Caddyfile and returns its path.
func writtenTo(t *testing.T, caddyfile string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(path, []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// diagnose runs doctor on a Caddyfile and returns its lines, each check's without its
// name, and the exit code.
func diagnose(t *testing.T, path string) (code int, lines map[string]string) {
	t.Helper()
	code, stdout, stderr := command(t, "doctor", "--json", "--config", path)
	var report struct {
		OK     bool
		Node   string
		Kind   string
		Checks []struct{ Name, State, Detail, Advice string }
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("doctor printed %q, %q: %v", stdout, stderr, err)
	}
	if report.OK != (code == 0) {
		t.Errorf("ok is %t and the exit code %d", report.OK, code)
	}
	lines = map[string]string{"node": report.Kind + " " + report.Node}
	for _, c := range report.Checks {
		lines[c.Name] = c.State + ": " + c.Detail + " → " + c.Advice
	}
	return code, lines
}

// expect compares the lines of some checks, by how they begin.
func expect(t *testing.T, lines, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !strings.HasPrefix(lines[name], want[name]) {
			t.Errorf("%s is %q, not %q…", name, lines[name], want[name])
		}
	}
}

func TestDoctorUsage(t *testing.T) {
	for _, tt := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"doctor", "now"}, 2, "", "doctor takes no arguments"},
		{[]string{"doctor"}, 2, "", "no Caddyfile in this folder"},
		{[]string{"doctor", "--confg", "x"}, 2, "", "unknown flag"},
		{[]string{"doctor", "--config", "/none/Caddyfile"}, 1, "✗ configuration", ""},
		{[]string{"doctor", "--config", writtenTo(t, "{\nomflow {\n")}, 1, "1 failed", ""},
		{[]string{"doctor", "--adapter", "none", "--config", writtenTo(t, "x")}, 1, "none", ""},
	} {
		code, stdout, stderr := command(t, tt.args...)
		if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("%q ends with %d, not %d: %s%s", tt.args, code, tt.code, stdout, stderr)
		}
	}
}

// TestDoctorCluster: a booster's configuration beside real nodes.
func TestDoctorCluster(t *testing.T) {
	key := trust.Generate()
	keys, err := trust.Parse([]string{key})
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	n, err := gossip.New(gossip.Config{Name: "booster-a", Kind: gossip.KindBooster, Listen: address, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	b := newBed(t)
	configuration := func(name, listen, key, join string) string {
		return b.globals(fmt.Sprintf("omflow {\nname %s\nlisten %s\nkey %s\njoin %s\nstate_dir %s\nbooster {\nrole secondary\n}\n}", name, listen, key, join, b.state))
	}
	free := freeAddress(t)
	_, port, _ := strings.Cut(free, ":")
	_, taken, _ := strings.Cut(address, ":")
	lost := freeAddress(t)
	peer := "peer " + address + " "
	for name, tt := range map[string]struct {
		caddyfile string
		code      int
		want      map[string]string
	}{
		"well": {configuration("booster-b", free, key, address), 0, map[string]string{
			"node": "booster booster-b", "configuration": "ok: it is valid", "cluster key": "ok: it is well",
			"port " + port + " tcp": "ok: " + free + " is free", "port " + port + " udp": "ok: " + free + " is free",
			peer + "name": "ok: 127.0.0.1", peer + "tcp": "ok: it is reached", peer + "key": "ok: it is booster booster-a, and has the same key",
			peer + "udp": "skipped: ", peer + "clock": "ok: it differs by less than ", "names": "ok: this node is booster-b, the others are booster-a",
			"versions": "skipped: only a running node knows", "state_dir": "ok: ", "system clock": "skipped: the whole cluster",
		}},
		"another key": {configuration("booster-b", free, trust.Generate(), address), 1, map[string]string{
			peer + "tcp": "ok: ", peer + "key": "failed: the node there uses another cluster key", peer + "clock": "skipped: ", "names": "skipped: ",
		}},
		"no key": {configuration("booster-b", free, "{env.OMFLOW_NO_SUCH_KEY}", address), 1, map[string]string{
			"configuration": "failed: ", "cluster key": "failed: key is written and empty", peer + "tcp": "ok: ", peer + "key": "skipped: this node's own key",
		}},
		"the same name": {configuration("booster-a", free, key, address), 1, map[string]string{
			peer + "key": "ok: ", "names": "failed: the node at " + address + " is called booster-a",
		}},
		"virtual IP": {strings.Replace(configuration("booster-b", free, key, address), "role secondary", "role secondary\nvirtual_ip 10.9.9.9/32 omflow-none", 1), 1, map[string]string{
			"configuration": "ok: ", "virtual IP": "failed: virtual IP 10.9.9.9/32 omflow-none: ",
		}},
		"the same port": {configuration("booster-b", address, key, lost), 1, map[string]string{
			"port " + taken + " tcp": "failed: " + address + " is taken by booster booster-a of this cluster", "port " + taken + " udp": "failed: " + address + " is taken by booster",
			"peer " + lost + " tcp": "failed: ", "peer " + lost + " key": "skipped: it is not reached",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			path := writtenTo(t, tt.caddyfile)
			code, lines := diagnose(t, path)
			if code != tt.code {
				t.Errorf("ends with %d, not %d: %v", code, tt.code, lines)
			}
			expect(t, lines, tt.want)
			if strings.Contains(fmt.Sprint(lines), key) {
				t.Errorf("the key shows: %v", lines)
			}
		})
	}
}

// TestDoctorRunning: of a node that runs, the check knows that, and what the node knows
// of the others.
func TestDoctorRunning(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	caddyfile := b.cluster(address, "join "+address, "")
	b.load(caddyfile)
	path := writtenTo(t, caddyfile)
	code, lines := diagnose(t, path)
	expect(t, lines, map[string]string{
		"port " + port + " tcp": "ok: this node runs here already", "port " + port + " udp": "ok: this node runs here already",
		"peer " + address + " key": "skipped: it is this node itself", "names": "skipped: no other node is reached",
		"versions": "ok: devel on 1 nodes", "cluster": "ok: 1 nodes are reached",
	})
	if code != 0 {
		t.Errorf("ends with %d: %v", code, lines)
	}
	// A node of an older version comes, and one that is lost.
	peer(t, "s1", gossip.KindAgent, address)
	eventually(t, "the agent", func() error {
		_, lines = diagnose(t, path)
		return whether(strings.HasPrefix(lines["versions"], "failed: s1 has "))
	})
	// The admin API of another node says nothing of this one.
	_, lines = diagnose(t, writtenTo(t, strings.Replace(caddyfile, "name booster-a", "name booster-b", 1)))
	expect(t, lines, map[string]string{
		"versions":              "skipped: only a running node knows, and the admin API at " + b.admin + ` is of node "booster-a"`,
		"port " + port + " tcp": "failed: " + address + " is taken by booster booster-a",
	})
}

// TestDoctorAlone: a front door without a cluster.
func TestDoctorAlone(t *testing.T) {
	b := newBed(t)
	code, lines := diagnose(t, writtenTo(t, b.alone("server 127.0.0.1:1")))
	expect(t, lines, map[string]string{"configuration": "ok: ", "cluster": "skipped: the configuration has no global omflow block"})
	if code != 0 {
		t.Errorf("ends with %d: %v", code, lines)
	}
}

// TestDoctorAgent: an agent's configuration, as package agent documents it, and a real
// Python.
func TestDoctorAgent(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed here")
	}
	home := t.TempDir()
	for name, text := range map[string]string{
		"manage.py": "",
		"omflow/settings.py": "SECRET_KEY = 'k3y-0123456789'\nALLOWED_HOSTS = ['*']\nTIME_ZONE = 'Asia/Taipei'\nBOOSTER_IP = '127.0.0.1'\nBOOSTER_PORT = '1'\n" +
			"DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'omflow', 'USER': 'om', 'PASSWORD': 'p4ss-word', 'HOST': '127.0.0.1', 'PORT': '2'}}\n",
	} {
		path := filepath.Join(home, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		agent  map[string]any
		python string
		want   map[string]string
	}{
		"settings": {map[string]any{"home": home, "python": python, "run": []string{python, "manage.py", "runserver"}, "patch": map[string]any{}}, "", map[string]string{
			"home": "ok: ", "settings.py": "ok: it is read", "SECRET_KEY": "skipped: its fingerprint is 76f410d32792209c", "BOOSTER_IP": "ok: settings.py and `join` name the same",
			"start command": "failed: runserver", "inotify watches": "ok: 2 folders", "database": "failed: postgres://om:***@127.0.0.1:2/omflow: reach", "OMFLOW's tables": "skipped: ",
			"peer 127.0.0.1:1 tcp": "failed: ",
		}},
		"another Python": {map[string]any{"home": home, "python": python}, "python-none", map[string]string{"python": "failed: ", "settings.py": "failed: read settings.py: run Python", "database": "failed: read settings.py"}},
		"a URL":          {map[string]any{"home": home, "python": python, "database": "postgres://om:p4ss-word@127.0.0.1:3/x"}, "", map[string]string{"database": "failed: postgres://om:***@127.0.0.1:3/x: reach", "inotify watches": ""}},
		"no database":    {map[string]any{"server": "127.0.0.1:80"}, "", map[string]string{"database": "skipped: the agent looks at none", "home": "", "settings.py": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(tt.agent)
			if err != nil {
				t.Fatal(err)
			}
			p := &patient{secrets: new(doctor.Secrets)}
			p.cluster(&App{Name: "s1", Listen: "127.0.0.1:0", Join: []string{"127.0.0.1:1"}, StateDir: t.TempDir(), AgentRaw: raw}, nil, tt.python)
			lines := map[string]string{}
			for o := range doctor.Run(t.Context(), p.checks, p.secrets) {
				lines[o.Name] = string(o.State) + ": " + o.Detail
				if strings.Contains(o.Detail+o.Advice, "p4ss") || strings.Contains(o.Detail+o.Advice, "k3y-") {
					t.Errorf("a secret shows: %s → %s", o.Detail, o.Advice)
				}
			}
			for check, want := range tt.want {
				if _, there := lines[check]; there != (want != "") {
					t.Errorf("%s: there is a check: %t", check, there)
				}
			}
			expect(t, lines, tt.want)
		})
	}
}
