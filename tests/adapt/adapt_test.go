package adapt

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	// The adapter and what it refers to, as in the program.
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/omflow/booster"
)

var (
	update = flag.Bool("update", false, "write what testdata says must come out anew")

	dashes     = regexp.MustCompile(`(?m)^-{10,}\n`)
	equals     = regexp.MustCompile(`(?m)^={10,}\n`)
	lineNumber = regexp.MustCompile(`Caddyfile:[1-9]\d*`)
)

// adapt adapts a Caddyfile as `booster adapt` does.
func adapt(t *testing.T, caddyfile string) ([]byte, []caddyconfig.Warning, error) {
	t.Helper()
	adapter := caddyconfig.GetAdapter("caddyfile")
	if adapter == nil {
		t.Fatal("there is no Caddyfile adapter")
	}
	return adapter.Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
}

func indented(t *testing.T, text []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "\t"); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return strings.TrimSpace(out.String()) + "\n"
}

// split cuts a case in two at its line of dashes.
func split(t *testing.T, text string) (caddyfile, want string) {
	t.Helper()
	at := dashes.FindStringIndex(text)
	if at == nil {
		t.Fatal("there is no line of dashes")
	}
	return text[:at[0]], text[at[1]:]
}

func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			caddyfile, want := split(t, strings.ReplaceAll(string(text), "\r\n", "\n"))
			adapted, warnings, err := adapt(t, caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range warnings {
				// The cases are aligned for their readers; `fmt` would not.
				if !strings.Contains(w.Message, "not formatted") {
					t.Errorf("warning: %s", w)
				}
			}
			got := indented(t, adapted)
			if *update {
				if err := os.WriteFile(file, []byte(caddyfile+"----------\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var anew []string
		for _, mistake := range equals.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), -1) {
			caddyfile, want := split(t, mistake)
			want = strings.TrimSpace(want)
			_, _, err := adapt(t, caddyfile)
			if err == nil {
				t.Errorf("%s: accepted:\n%s\nwant the error %s", file, caddyfile, want)
				continue
			}
			got := err.Error()
			if got != want && !*update {
				t.Errorf("%s:\n%s\ngot  %s\nwant %s", file, caddyfile, got, want)
			}
			if !lineNumber.MatchString(got) {
				t.Errorf("%s: the error %q names no line", file, got)
			}
			anew = append(anew, caddyfile+"----------\n"+got+"\n")
		}
		if *update {
			if err := os.WriteFile(file, []byte(strings.Join(anew, "==========\n")), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
