package setup

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/testbed/programs"
	"github.com/omflow/booster/internal/trust"
)

var errNoProgram = errors.New("no such program")

// bare is a machine with one address and no programs.
func bare() Machine {
	return Machine{System: "linux", Hostname: "host", Address: "10.0.0.9", Path: func(string) (string, error) { return "", errNoProgram }}
}

func interview(t *testing.T, m Machine, stdin string, given map[string]string) (Plan, error) {
	t.Helper()
	paths := Paths{Dir: t.TempDir(), Program: filepath.Join(t.TempDir(), "booster")}
	return Interview(t.Context(), paths, m, given, Suggested{In: bufio.NewReader(strings.NewReader(stdin))})
}

func TestBoosterFromFlags(t *testing.T) {
	for name, tt := range map[string]struct {
		given map[string]string
		want  Plan
	}{
		"alone, as suggested": {nil, Plan{Name: "host", Address: "10.0.0.9:5169", Site: ":80"}},
		"primary": {
			map[string]string{"name": "a", "address": "10.0.0.11", "other": "10.0.0.12", "role": "primary", "site": "http://omflow.example.com"},
			Plan{Name: "a", Address: "10.0.0.11:5169", Boosters: []string{"10.0.0.11:5169", "10.0.0.12:5169"}, Role: "primary", Site: "http://omflow.example.com"},
		},
		"secondary": {
			map[string]string{"other": "a.example.com:6000", "role": "secondary", "site": "omflow.example.com"},
			Plan{Name: "host", Address: "10.0.0.9:5169", Boosters: []string{"a.example.com:6000", "10.0.0.9:5169"}, Role: "secondary", Site: "omflow.example.com", InternalTLS: true},
		},
		"public certificate, IPv6": {
			map[string]string{"address": "fd00::1", "site": "omflow.example.com", "tls": "public"},
			Plan{Name: "host", Address: "[fd00::1]:5169", Site: "omflow.example.com"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			given := map[string]string{"kind": "booster", "key": "new"}
			maps.Copy(given, tt.given)
			got, err := interview(t, bare(), "", given)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := trust.Parse([]string{got.Key}); err != nil || !got.NewKey {
				t.Errorf("the key: %v, new: %t", err, got.NewKey)
			}
			tt.want.Kind, tt.want.NewKey, tt.want.Key, tt.want.Paths = Booster, true, got.Key, got.Paths
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%+v\nwant\n%+v", got, tt.want)
			}
		})
	}
}

func TestAgentFromTheMachine(t *testing.T) {
	python := programs.Python(t)
	home := newHome(t, "BOOSTER_IP = '10.0.0.11'\nBOOSTER_PORT = ''\nSECOND_BOOSTER_IP = 'b.example.com'\nSECOND_BOOSTER_PORT = '6000'\n")
	gunicorn := filepath.Join(home, "venv", "bin", "gunicorn")
	write(t, gunicorn, "#!"+python+"\nimport sys\n", 0o755)
	m := bare()
	m.Homes = []string{t.TempDir(), home}
	got, err := interview(t, m, "", map[string]string{"key": "new"})
	if err != nil {
		t.Fatal(err)
	}
	want := Plan{
		Kind: Agent, Name: "host", Address: "10.0.0.9:5169", Boosters: []string{"10.0.0.11:5169", "b.example.com:6000"}, Home: home, Server: "10.0.0.9:8000",
		Run: []string{gunicorn, "omflow.wsgi", "--workers", "1", "--threads", "8", "--bind", "10.0.0.9:8000"}, Python: python, Patches: PatchesAuto, CopyUploads: true, Key: got.Key, NewKey: true, Paths: got.Paths,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// TestNewServer: a Slave is asked for the boosters and the key, and for nothing else that
// has no answer.
func TestNewServer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no units")
	}
	paths := Paths{Dir: t.TempDir(), Units: t.TempDir(), Program: "/usr/bin/booster"}
	m := bare()
	m.Homes = []string{t.TempDir()}
	typed := "agent\n\n\n\n\n10.0.0.11 10.0.0.12:6000\n\n\n-\n" + testKey + "\n"
	var said strings.Builder
	got, err := Interview(t.Context(), paths, m, nil, Lines{In: bufio.NewReader(strings.NewReader(typed)), Out: &said})
	if err != nil {
		t.Fatal(err, said.String())
	}
	want := Plan{
		Kind: Agent, Name: "host", Address: "10.0.0.9:5169", Boosters: []string{"10.0.0.11:5169", "10.0.0.12:6000"}, New: true, Home: "/opt/omflow", User: got.User,
		Key: testKey, Paths: paths,
	}
	if got.User == "" || got.User == "root" || !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	// At a terminal the first choice is taken by one key: not to make another key.
	if enter, fresh := strings.Index(said.String(), "-: enter the one"), strings.Index(said.String(), "new: make a new one"); enter < 0 || enter > fresh {
		t.Errorf("asked for the key as\n%s", said.String())
	}
	// Unattended too, with a folder and a port of its own.
	home := filepath.Join(t.TempDir(), "new")
	given := map[string]string{"kind": "agent", "installed": "no", "home": home, "port": ":8001", "boosters": "10.0.0.11", "key": "new"}
	got, err = Interview(t.Context(), paths, m, given, Suggested{})
	if err != nil || got.Home != home || got.Server != ":8001" || got.User != newUser {
		t.Errorf("%+v, %v", got, err)
	}
	for _, port := range []string{"0", "65536", "http", "10.0.0.9:80", "5169"} {
		given["port"] = port
		if _, err = Interview(t.Context(), paths, m, given, Suggested{}); err == nil || !strings.Contains(err.Error(), "--port: ") {
			t.Errorf("port %s: %v", port, err)
		}
	}
}

func TestUnitNeedsAUser(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no units")
	}
	home := newHome(t, "")
	given := map[string]string{"kind": "agent", "home": home, "boosters": "10.0.0.11", "run": "gunicorn", "python": "python3", "key": "new"}
	paths := Paths{Dir: t.TempDir(), Units: t.TempDir(), Program: "/usr/bin/booster"}
	p, err := Interview(t.Context(), paths, bare(), given, Suggested{})
	if err != nil || p.User != ownerOf(home) || p.User == "" {
		t.Errorf("the user is %q, %v", p.User, err)
	}
	given["user"] = "omflow"
	if p, err = Interview(t.Context(), paths, bare(), given, Suggested{}); err != nil || p.User != "omflow" {
		t.Errorf("the user is %q, %v", p.User, err)
	}
	paths.Units = ""
	if _, err = Interview(t.Context(), paths, bare(), given, Suggested{}); err == nil || !strings.Contains(err.Error(), "no unit is written") {
		t.Errorf("a user without a unit: %v", err)
	}
}

func TestInterviewRefuses(t *testing.T) {
	home := newHome(t, "")
	agent := map[string]string{"kind": "agent", "home": home, "boosters": "10.0.0.11", "run": "gunicorn", "python": "python3"}
	for want, change := range map[string]map[string]string{
		`--kind: "slave": write booster or agent`:         {"kind": "slave"},
		`--other: 10.0.0.9:5169 is this Booster's own`:    {"kind": "booster", "other": "10.0.0.9"},
		`--role is missing`:                               {"kind": "booster", "other": "10.0.0.8"},
		`--role: "boss": write primary or secondary`:      {"kind": "booster", "other": "10.0.0.8", "role": "boss"},
		`--role does not matter for this booster`:         {"kind": "booster", "role": "primary"},
		`--home does not matter for this booster`:         {"kind": "booster", "home": home},
		`--tls does not matter`:                           {"kind": "booster", "site": ":80", "tls": "internal"},
		`--site: "a b": write the name`:                   {"kind": "booster", "site": "a b"},
		`--site: "a/b": write the name`:                   {"kind": "booster", "site": "a/b"},
		`--address: "0.0.0.0" stands for any address`:     {"kind": "booster", "address": "0.0.0.0"},
		`--address: "10.0.0.1:http": the port must be`:    {"kind": "booster", "address": "10.0.0.1:http"},
		`--address: "a b": write an IP address or a name`: {"kind": "booster", "address": "a b"},
		`--name: `:                                                {"kind": "booster", "name": "a b"},
		`--key keep: there is no key in`:                          {"kind": "booster", "key": "keep"},
		`--key: /nowhere/key: file does not exist`:                {"kind": "booster", "key": "/nowhere/key"},
		`--key: ` + home:                                          {"kind": "booster", "key": filepath.Join(home, "omflow", "settings.py")},
		`--key: nothing came on standard input`:                   {"kind": "booster", "key": "-"},
		`--key is missing: the cluster key`:                       {},
		`--home: no OMFLOW Server is in`:                          {"installed": "yes", "home": t.TempDir()},
		`--home is missing: the OMFLOW Server's folder`:           {"installed": "yes", "home": "-"},
		`--installed is missing: is OMFLOW Server installed here`: {"home": filepath.Join(home, "none")},
		`--installed: "maybe": write yes or no`:                   {"installed": "maybe"},
		`for this agent of a new OMFLOW Server (--installed no)`:  {"installed": "no", "key": "new"},
		`--port does not matter for this agent`:                   {"port": "80", "key": "new"},
		`settings.py is a file: name a folder`:                    {"installed": "no", "home": filepath.Join(home, "omflow", "settings.py")},
		`--boosters is missing`:                                   {"boosters": "-"},
		`--boosters: write the primary booster's address`:         {"boosters": "a, b c"},
		`--boosters: a:5169 is written twice`:                     {"boosters": "a a:5169"},
		`--server: 10.0.0.9:5169 is the agent's own`:              {"server": "10.0.0.9:5169"},
		`--run is missing`:                                        {"run": "-"},
		`--run: manage.py runserver runs the schedules`:           {"run": "python manage.py runserver"},
		`--run: a quote is not closed`:                            {"run": `"a`},
		`--site does not matter for this agent`:                   {"site": ":80", "key": "new"},
		`10.0.0.11:5169 is both this agent's address and a boost`: {"address": "10.0.0.11", "key": "new"},
	} {
		given := maps.Clone(agent)
		if change["kind"] == "booster" {
			clear(given)
		}
		maps.Copy(given, change)
		maps.DeleteFunc(given, func(name, value string) bool { return value == "-" && name != "key" })
		if _, err := interview(t, bare(), "", given); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v:\ngot  %v\nwant %s", change, err, want)
		}
	}
}

func TestKey(t *testing.T) {
	dir := t.TempDir()
	paths := Paths{Dir: dir, Program: filepath.Join(dir, "booster")}
	ask := func(stdin, key string) (Plan, error) {
		given := map[string]string{"kind": "booster"}
		if key != "" {
			given["key"] = key
		}
		return Interview(t.Context(), paths, bare(), given, Suggested{In: bufio.NewReader(strings.NewReader(stdin))})
	}
	file := filepath.Join(dir, "from elsewhere")
	write(t, file, testKey+"\n", 0o600)
	for source, stdin := range map[string]string{"-": testKey, file: ""} {
		if p, err := ask(stdin, source); err != nil || p.Key != testKey || p.NewKey {
			t.Errorf("--key %s: new %t, %v", source, p.NewKey, err)
		}
	}
	const wrong = "fPA2oTkbs7oNLMrx"
	if _, err := ask(wrong, "-"); err == nil || strings.Contains(err.Error(), wrong) {
		t.Errorf("a wrong key: %v", err)
	}

	kept := Plan{Kind: Booster, Paths: paths}.KeyFile()
	write(t, kept, testKey+"\n", 0o600)
	for _, source := range []string{"", "keep", "-", file} { // the same key: nothing to write
		if p, err := ask(testKey+"\n", source); err != nil || p.Key != "" || p.NewKey {
			t.Errorf("--key %q beside a key file: %q, new %t, %v", source, p.Key, p.NewKey, err)
		}
	}
	if p, err := ask("", "new"); err != nil || p.Key == "" || p.Key == testKey {
		t.Errorf("--key new beside a key file: %v", err)
	}
	write(t, kept, wrong, 0o600)
	if _, err := ask("", "keep"); err == nil || !strings.Contains(err.Error(), kept) || strings.Contains(err.Error(), wrong) {
		t.Errorf("a key file that holds none: %v", err)
	}
}

func TestLines(t *testing.T) {
	dir := t.TempDir()
	paths := Paths{Dir: dir, Program: filepath.Join(dir, "booster")}
	script := strings.Join([]string{
		"slave", "booster", // refused, then taken
		"", "10.0.0.11", // name as suggested
		"10.0.0.12", "secondary",
		"omflow.example.com", "public",
		"keep", "-", "no key", testKey, // there is none to keep
	}, "\n")
	var said strings.Builder
	p, err := Interview(t.Context(), paths, bare(), nil, Lines{In: bufio.NewReader(strings.NewReader(script)), Out: &said})
	if err != nil {
		t.Fatal(err, said.String())
	}
	want := Plan{
		Kind: Booster, Name: "host", Address: "10.0.0.11:5169", Boosters: []string{"10.0.0.12:5169", "10.0.0.11:5169"}, Role: "secondary",
		Site: "omflow.example.com", Key: testKey, Paths: paths,
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got\n%+v\nwant\n%+v", p, want)
	}
	if strings.Contains(said.String(), testKey) {
		t.Error("the key is echoed")
	}
	_, err = Interview(t.Context(), paths, bare(), nil, Lines{In: bufio.NewReader(strings.NewReader("booster\n")), Out: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "standard input has ended: give --name") {
		t.Errorf("half a script: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the interview left %v, %v", entries, err)
	}
}
