package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/doctor"
	"github.com/omflow/booster/internal/omflow/settings"
	"github.com/omflow/booster/internal/omflow/settings/alike"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/testbed/programs"
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
			peer + "udp": "ok: it answers within ", peer + "clock": "ok: it differs by less than ", "names": "ok: this node is booster-b, the others are booster-a",
			"versions": "skipped: only a running node knows", "state_dir": "ok: ", "system clock": "skipped: the whole cluster",
		}},
		"another key": {configuration("booster-b", free, trust.Generate(), address), 1, map[string]string{
			peer + "tcp": "ok: ", peer + "key": "failed: what answers there has another cluster key, or is no node", peer + "udp": "skipped: a node answers only", peer + "clock": "skipped: ", "names": "skipped: ",
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
	observe.Succeeds(t, "the agent", func() error {
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

// home makes an OMFLOW Server's folder with a settings.py.
func home(t *testing.T, settings string) string {
	t.Helper()
	home := t.TempDir()
	for name, text := range map[string]string{"manage.py": "", "omflow/settings.py": settings} {
		path := filepath.Join(home, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// TestDoctorAgent: an agent's configuration, as package agent documents it, and a real
// Python.
func TestDoctorAgent(t *testing.T) {
	python := programs.Python(t)
	home := home(t, "SECRET_KEY = 'k3y-0123456789'\nALLOWED_HOSTS = ['*']\nTIME_ZONE = 'Asia/Taipei'\nBOOSTER_IP = '127.0.0.1'\nBOOSTER_PORT = '1'\n"+
		"DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'omflow', 'USER': 'om', 'PASSWORD': 'p4ss-word', 'HOST': '127.0.0.1', 'PORT': '2'}}\n")
	for _, folder := range []string{"logs/a", "uploads/omformflow", "uploads/temp/x"} {
		if err := os.MkdirAll(filepath.Join(home, filepath.FromSlash(folder)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().String()
	for name, tt := range map[string]struct {
		agent  map[string]any
		python string
		want   map[string]string
	}{
		"settings": {map[string]any{"home": home, "server": "127.0.0.1:80", "python": python, "run": []string{python, "manage.py", "runserver"}, "patch": map[string]any{}}, "", map[string]string{
			"home": "ok: ", "settings.py": "ok: it is read", "SECRET_KEY": "skipped: no booster tells of the other servers; the key's label is 0d3f-", "BOOSTER_IP": "ok: settings.py and `join` name the same",
			"start command": "failed: runserver", "inotify watches": "ok: 2 folders", "database": "failed: postgres://om:***@127.0.0.1:2/omflow: reach", "OMFLOW's tables": "skipped: ",
			"peer 127.0.0.1:1 tcp": "failed: ",
		}},
		"its port": {map[string]any{"server": taken, "run": []string{python}}, "", map[string]string{"server port": "failed: " + taken + " is taken"}},
		"folders": {map[string]any{"home": home, "server": "127.0.0.1:80", "python": python, "patch": map[string]any{"exclude": []string{"/omflow/"}}, "replicate": "uploads"}, "", map[string]string{
			"inotify watches": "ok: 3 folders", "server port": "",
		}},
		"another Python": {map[string]any{"home": home, "server": "127.0.0.1:80", "python": python}, "python-none", map[string]string{"python": "failed: ", "settings.py": "failed: read settings.py: run Python", "database": "failed: read settings.py"}},
		"no join": {map[string]any{"home": home, "server": "127.0.0.1:80", "python": python, "join": nil}, "", map[string]string{
			"join": "ok: " + filepath.Join(home, "omflow", "settings.py") + " names 127.0.0.1:1", "BOOSTER_IP": "ok: the boosters of settings.py are joined", "peer 127.0.0.1:1 tcp": "failed: ",
		}},
		"a URL":       {map[string]any{"home": home, "server": "127.0.0.1:80", "python": python, "database": "postgres://om:p4ss-word@127.0.0.1:3/x"}, "", map[string]string{"database": "failed: postgres://om:***@127.0.0.1:3/x: reach", "inotify watches": ""}},
		"no database": {map[string]any{"server": "127.0.0.1:80"}, "", map[string]string{"database": "skipped: the agent looks at none", "home": "", "settings.py": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			join := []string{"127.0.0.1:1"}
			if _, written := tt.agent["join"]; written {
				join = nil
				delete(tt.agent, "join")
			}
			raw, err := json.Marshal(tt.agent)
			if err != nil {
				t.Fatal(err)
			}
			p := &patient{secrets: new(doctor.Secrets)}
			p.cluster(&App{Name: "s1", Listen: "127.0.0.1:0", Join: join, StateDir: t.TempDir(), AgentRaw: raw}, nil, tt.python)
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

// TestDoctorNewServer: of a server that takes its options from the cluster, those are
// looked at, once they have come.
func TestDoctorNewServer(t *testing.T) {
	python := programs.Python(t)
	home := home(t, "SECRET_KEY = 'k3y-0123456789'\nALLOWED_HOSTS = ['*']\nTIME_ZONE = 'Asia/Taipei'\n"+
		"DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'omflow', 'USER': 'om', 'HOST': '127.0.0.1', 'PORT': '2'}}\n")
	options := fmt.Sprintf(`{"home":%q,"server":"127.0.0.1:8000","python":%q,"run":["no-such-gunicorn"],"database":"settings","patch":{"folder":%[1]q}}`, home, python)
	const record = `{"home":%q,"server":"127.0.0.1:8000","origin":"s1","options":%s}`
	for name, tt := range map[string]struct {
		agent, record string
		want          map[string]string
	}{
		"not yet": {`{"home":"` + home + `/new"}`, "", map[string]string{
			"home": "ok: " + home + "/new will be made in " + home, "new server": "skipped: it has not arrived yet", "python": "", "settings.py": "", "database": "", "start command": "",
		}},
		"bare":  {`{"server":":8001"}`, "", map[string]string{"home": "skipped: it is the other servers'", "new server": "skipped: it has not arrived yet"}},
		"begun": {`{}`, fmt.Sprintf(`{"home":%q,"server":"127.0.0.1:8000","origin":"s1"}`, home), map[string]string{"new server": "skipped: it has not arrived yet", "python": ""}},
		"torn":  {`{}`, "{", map[string]string{"new server": "failed: read how the server arrived", "python": ""}},
		"arrived": {`{"server":":8001"}`, fmt.Sprintf(record, home, options), map[string]string{
			"new server": "", "home": "ok: " + home + " holds an OMFLOW Server", "settings.py": "ok: it is read", "start command": `failed: exec: "no-such-gunicorn"`,
			"inotify watches": "ok: ", "database": "failed: postgres://om@127.0.0.1:2/omflow: reach", "BOOSTER_IP": "ok: settings.py names no boosters; `join` does",
		}},
		"its own come first": {`{"run":["no-such-waitress"],"python":"python-none","database":"none"}`, fmt.Sprintf(record, home, options), map[string]string{
			"start command": `failed: exec: "no-such-waitress"`, "python": `failed: exec: "python-none"`, "database": "skipped: the agent looks at none",
		}},
		"a server of its own": {fmt.Sprintf(`{"home":%q,"server":"127.0.0.1:8000"}`, home), "{", map[string]string{"new server": "", "settings.py": "ok: ", "start command": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			if tt.record != "" {
				file := filepath.Join(state, "servers", "s4", "bootstrap.json")
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(tt.record), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := &patient{secrets: new(doctor.Secrets)}
			p.cluster(&App{Name: "s4", Listen: "127.0.0.1:0", Join: []string{"127.0.0.1:1"}, StateDir: state, AgentRaw: json.RawMessage(tt.agent)}, nil, "")
			lines := map[string]string{}
			for o := range doctor.Run(t.Context(), p.checks, p.secrets) {
				lines[o.Name] = string(o.State) + ": " + o.Detail
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

// TestDoctorAlike: a machine that is to become an agent is held against the servers that
// are there, whose facts the booster tells; and the booster's status has what differs.
func TestDoctorAlike(t *testing.T) {
	programs.Python(t)
	b := newBed(t)
	address := freeAddress(t)
	b.load(b.cluster(address, "join "+address, ""))
	agents := map[string]alike.Facts{
		"s2": alike.Of(settings.Settings{SecretKey: []byte("k3y-0123456789"), TimeZone: "Asia/Taipei"}, errors.New("SQLite"), trust.Loopback()),
		// What this very server told before it was stopped says nothing against it.
		"s1": {SecretKey: trust.Loopback().Label("its former key", nil), TimeZone: "Asia/Tokyo"},
		"s3": {SecretKey: trust.Loopback().Label("another", nil), TimeZone: "UTC", Clock: -9},
	}
	for name, facts := range agents {
		text, err := facts.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := peer(t, name, gossip.KindAgent, address).SetMark(alike.Key(name), text); err != nil {
			t.Fatal(err)
		}
	}
	raw := fmt.Appendf(nil, `{"home":%q,"server":"127.0.0.1:80","python":"python3"}`, home(t, "SECRET_KEY = 'k3y-0123456789'\nTIME_ZONE = 'Asia/Taipei'"))
	observe.Succeeds(t, "the booster's word", func() error {
		p := &patient{secrets: new(doctor.Secrets)}
		p.cluster(&App{Name: "s1", Listen: "127.0.0.1:0", Join: []string{address}, StateDir: t.TempDir(), AgentRaw: raw}, nil, "")
		lines := map[string]string{}
		for o := range doctor.Run(t.Context(), p.checks, p.secrets) {
			lines[o.Name] = string(o.State) + ": " + o.Detail
		}
		return whether(lines["SECRET_KEY"] == "failed: it is not that of s3" && lines["time zone"] == "failed: it is Asia/Taipei, and s3 has UTC")
	})
	_, stdout, _ := command(t, "status", "--json", "--address", b.admin)
	for _, want := range []string{
		"settings: s2: SQLite", "settings: SECRET_KEY is not the same on s1 (label 0d3f-", "settings: TIME_ZONE is Asia/Tokyo on s1, and Asia/Taipei on s2, and UTC on s3",
		"settings: s3: its clock is 9s behind the booster's",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the status lacks %q: %s", want, stdout)
		}
	}
}
