package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	"github.com/prometheus/client_golang/prometheus"

	// What init writes for an agent is adapted and validated as in the program.
	_ "github.com/omflow/booster/agent"
	"github.com/omflow/booster/internal/setup"
	"github.com/omflow/booster/internal/trust"
)

// TestInitCaddyfiles: what init writes is taken by Caddy's adapter, and formatted.
func TestInitCaddyfiles(t *testing.T) {
	files, err := filepath.Glob("../internal/setup/testdata/*.Caddyfile")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": file})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, w := range warnings {
			t.Errorf("%s: %s", file, w)
		}
		if formatted := caddyfile.Format(text); !bytes.Equal(formatted, text) {
			t.Errorf("%s: `booster fmt` would write\n%s", file, formatted)
		}
		var config struct {
			Apps struct{ Omflow struct{ Key []string } }
		}
		if err := json.Unmarshal(adapted, &config); err != nil {
			t.Fatal(err)
		}
		if key := config.Apps.Omflow.Key; len(key) != 1 || !strings.HasPrefix(key[0], "{file./") {
			t.Errorf("%s: the key is %q", file, key)
		}
	}
}

// TestInitWord holds how init writes a word against how Caddy reads it: odd words,
// and many put together at random from what is special in a Caddyfile. It is no fuzz
// test because that would instrument all of Caddy.
func TestInitWord(t *testing.T) {
	words := []string{"", "a b", `C:\a\`, "`", `"`, "<<END", "#", "{x}", "{$X}", "{", "流程", "a\"b`c", `a\b` + "`", "[::1]:80", "\\", "\n", "\u00a0"}
	pieces := []string{"a", " ", `\`, `"`, "`", "#", "{", "}", "$", "<<", "流", "\t", "/", "\u2028"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var word strings.Builder
		for range 1 + random.IntN(6) {
			word.WriteString(pieces[random.IntN(len(pieces))])
		}
		words = append(words, word.String())
	}
	read := 0
	for _, s := range words {
		word, err := setup.Word(s)
		if err != nil {
			continue
		}
		read++
		tokens, err := caddyfile.Tokenize([]byte("{\n\tomflow {\n\t\thome "+word+"\n\t}\n}\n"), "Caddyfile")
		if err != nil || len(tokens) != 7 || tokens[4].Text != s {
			t.Fatalf("%q is written as %s and read as %v, %v", s, word, tokens, err)
		}
	}
	if read < len(words)/2 {
		t.Errorf("only %d of %d words could be written", read, len(words))
	}
}

// initialize runs `booster omflow init` with a standard input.
func initialize(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, append([]string{"omflow", "init"}, args...)...)
	cmd.Env = append(os.Environ(), commandEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// tree is what is below a folder, by path.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(dir)+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestInitUnattended(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("units are for Linux")
	}
	dir := t.TempDir()
	booster := func(args ...string) []string {
		return append([]string{"--yes", "--dir", filepath.Join(dir, "etc"), "--units", filepath.Join(dir, "units"), "--kind", "booster", "--name", "a", "--address", "127.0.0.1"}, args...)
	}
	code, stdout, stderr := initialize(t, "", booster()...)
	if code != exitOK {
		t.Fatalf("ends with %d: %s", code, stderr)
	}
	first := tree(t, dir)
	key := strings.TrimSuffix(first["etc/booster.key"], "\n")
	if _, err := trust.Parse([]string{key}); err != nil || !strings.Contains(stdout, key) {
		t.Errorf("the new key: %v; it is not shown, or not whole, in\n%s", err, stdout)
	}
	if len(first) != 3 || first["etc/booster.Caddyfile"] == "" || !strings.Contains(first["units/omflow-booster.service"], "/etc/booster.Caddyfile") {
		t.Errorf("written: %v", first)
	}
	if info, err := os.Stat(filepath.Join(dir, "etc", "booster.key")); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key file is %v, %v", info.Mode(), err)
	}

	same := func(when string) {
		t.Helper()
		now := tree(t, dir)
		for path, text := range first {
			if now[path] != text {
				t.Errorf("%s: %s was changed to\n%s", when, path, now[path])
			}
		}
		if len(now) != len(first) {
			t.Errorf("%s: there are other files: %v", when, now)
		}
	}
	// Again with the same answers there is nothing to do, and the key is not shown.
	code, stdout, stderr = initialize(t, "", booster()...)
	if code != exitOK || stderr != "" || strings.Contains(stdout, key) || strings.Contains(stdout, "written") {
		t.Errorf("again: ends with %d: %s%s", code, stdout, stderr)
	}
	same("again")
	// With others it shows what would change, and changes nothing.
	code, stdout, stderr = initialize(t, "", booster("--site", "http://omflow.example.com")...)
	if code != exitNotSo || stdout != "" || !strings.Contains(stderr, "+http://omflow.example.com {") || !strings.Contains(stderr, "give --force") {
		t.Errorf("another site: ends with %d: %s%s", code, stdout, stderr)
	}
	same("another site")
	code, _, stderr = initialize(t, "", booster("--key", "new")...)
	if code != exitNotSo || strings.Contains(stderr, key) || !strings.Contains(stderr, "booster.key would be changed") {
		t.Errorf("another key: ends with %d: %s", code, stderr)
	}
	same("another key")
	code, _, stderr = initialize(t, "", booster("--site", "http://omflow.example.com", "--force")...)
	if now := tree(t, dir); code != exitOK || now["etc/booster.key"] != first["etc/booster.key"] || !strings.Contains(now["etc/booster.Caddyfile"], "\nhttp://omflow.example.com {\n") {
		t.Errorf("with force: ends with %d: %s%v", code, stderr, now)
	}
	// A Caddyfile that Caddy does not take never gets its name.
	first = tree(t, dir)
	code, _, stderr = initialize(t, "", booster("--site", "http://omflow.example.com:99999", "--force")...)
	if code != exitNotSo || !strings.Contains(stderr, "the Caddyfile is not accepted: ") {
		t.Errorf("no such port: ends with %d: %s", code, stderr)
	}
	same("no such port")
}

func TestInitAgent(t *testing.T) {
	dir := t.TempDir()
	home := filepath.Join(dir, "omflow home")
	if err := os.MkdirAll(filepath.Join(home, "omflow"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "omflow", "settings.py"), []byte("DEBUG = True\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	key := trust.Generate()
	args := []string{
		"--kind", "agent", "--name", "s1", "--address", "127.0.0.1:6000", "--installed", "yes", "--home", home, "--python", "python3", "--boosters", "127.0.0.1",
		"--server", "127.0.0.1:8000", "--run", `gunicorn "omflow.wsgi" --threads 8`, "--dir", filepath.Join(dir, "etc"), "--units", "", "--patches", "auto", "--uploads", "copy", "--key", "-",
	}
	// Without --yes the one thing that is missing, the key, is asked for.
	code, stdout, stderr := initialize(t, "wrong\n"+key+"\n", args...)
	if code != exitOK || !strings.Contains(stderr, "not base64") || strings.Contains(stdout+stderr, key) {
		t.Fatalf("ends with %d: %s%s", code, stdout, stderr)
	}
	want := "\t\tlisten :6000\n\t\tadvertise 127.0.0.1:6000\n"
	if text := tree(t, filepath.Join(dir, "etc"))["agent.Caddyfile"]; !strings.Contains(text, want) || !strings.Contains(text, "run gunicorn omflow.wsgi --threads 8\n") {
		t.Errorf("the Caddyfile is\n%s", text)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--yes", "--kind", "slave"}, exitNotSo, `--kind: "slave": write booster or agent`},
		{[]string{"--kind", "booster", "--home", home, "--yes"}, exitNotSo, "--home does not matter for this booster"},
		{[]string{"booster"}, exitUsage, "init takes no arguments"},
		{[]string{"--knid", "booster"}, exitUsage, "unknown flag: --knid"},
		{nil, exitNotSo, "standard input has ended: give --kind"},
	} {
		code, stdout, stderr := initialize(t, "", append([]string{"--dir", filepath.Join(dir, "none")}, tt.args...)...)
		if code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v ends with %d: %s%s", tt.args, code, stdout, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused init left a folder: %v", err)
	}
}

// TestInitNewServer: on a machine without OMFLOW the boosters and the key are enough, and
// what is written is accepted.
func TestInitNewServer(t *testing.T) {
	dir := t.TempDir()
	etc, home := filepath.Join(dir, "etc"), filepath.Join(dir, "new home")
	args := []string{"--yes", "--kind", "agent", "--installed", "no", "--address", "127.0.0.1:6000", "--home", home, "--boosters", "127.0.0.1", "--dir", etc, "--units", "", "--key", "-"}
	code, stdout, stderr := initialize(t, trust.Generate()+"\n", args...)
	if code != exitOK || !strings.Contains(stdout, "say what the new server\nwaits for.") {
		t.Fatalf("ends with %d: %s%s", code, stdout, stderr)
	}
	if text := tree(t, etc)["agent.Caddyfile"]; !strings.Contains(text, "\t\tagent {\n\t\t\thome `"+home+"`\n\t\t}\n") {
		t.Errorf("the Caddyfile is\n%s", text)
	}
	if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
	// As a user would ask whether the node can work here.
	_, lines := diagnose(t, filepath.Join(etc, "agent.Caddyfile"))
	expect(t, lines, map[string]string{"configuration": "ok: ", "home": "ok: " + home + " will be made", "new server": "skipped: it has not arrived yet"})
}

// TestDeployNamesMetricsThatExist: alert rules and dashboard ask for no metric and no
// state that a booster does not have.
func TestDeployNamesMetricsThatExist(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	if err := errors.Join(newMetrics("omflow").register(registry, nil), registerReleases(registry), registerOracle(registry),
		registerPair(registry), registerCluster(registry), registerLead(registry)); err != nil {
		t.Fatal(err)
	}
	descriptions := make(chan *prometheus.Desc, 100)
	registry.Describe(descriptions)
	close(descriptions)
	known := make(map[string]bool)
	for d := range descriptions {
		name := regexp.MustCompile(`fqName: "([a-z_]+)"`).FindStringSubmatch(d.String())[1]
		known[name], known[name+"_bucket"] = true, true
	}
	asked := 0
	for _, pattern := range []string{"../deploy/grafana/*.json", "../deploy/prometheus/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range regexp.MustCompile(`omflow_booster_[a-z_]+`).FindAllString(string(text), -1) {
				if asked++; !known[name] {
					t.Errorf("%s asks for %s", file, name)
				}
			}
			for _, m := range regexp.MustCompile(`state=~?\\?"([a-z|]+)\\?"`).FindAllStringSubmatch(string(text), -1) {
				for state := range strings.SplitSeq(m[1], "|") {
					if !slices.Contains(serverStates, state) {
						t.Errorf("%s asks for the state %s", file, state)
					}
				}
			}
		}
	}
	if asked < 20 {
		t.Errorf("only %d metrics were found", asked)
	}
}
