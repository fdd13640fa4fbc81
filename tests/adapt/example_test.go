package adapt

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/trust"
)

var sectionLine = regexp.MustCompile(`(?m)^# ==> (\S+)\n`)

// TestExample: Caddyfile.example, cut as its comments say, is accepted as it is, and
// is formatted.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	key, home := filepath.Join(t.TempDir(), "key"), t.TempDir()
	if err := os.WriteFile(key, []byte(trust.Generate()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := sectionLine.FindAllSubmatchIndex(text, -1)
	if len(at) != 4 {
		t.Fatalf("there are %d files in it, not 4", len(at))
	}
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		name, section := string(text[m[2]:m[3]]), strings.TrimSpace(string(text[m[1]:end]))+"\n"
		t.Run(strings.TrimSuffix(name, ".Caddyfile"), func(t *testing.T) {
			adapted, warnings, err := adapt(t, section)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range warnings {
				t.Errorf("warning: %s", w)
			}
			// The folder of OMFLOW Server is checked, and the key read, and neither is here.
			there := strings.NewReplacer(
				`"/opt/omflow"`, quote(t, home),
				`"{file./etc/omflow-booster/booster.key}"`, quote(t, "{file."+key+"}"),
				`"{file./etc/omflow-booster/agent.key}"`, quote(t, "{file."+key+"}"),
			)
			validate(t, there.Replace(string(adapted)))
		})
	}
}

// quote writes a string as JSON has it.
func quote(t *testing.T, s string) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// validate does what `booster validate` does.
func validate(t *testing.T, config string) {
	t.Helper()
	var cfg caddy.Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&cfg); err != nil {
		t.Error(err)
	}
}
