package adapt

import (
	"encoding/json"
	"os"
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
	t.Setenv("OMFLOW_KEY", trust.Generate())
	home := t.TempDir()
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
			// The folder of OMFLOW Server is checked, and not here.
			there, err := json.Marshal(home)
			if err != nil {
				t.Fatal(err)
			}
			validate(t, strings.ReplaceAll(string(adapted), `"/opt/omflow"`, string(there)))
		})
	}
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
