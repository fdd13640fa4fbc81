package caddymodule

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/testbed/programs"
	"github.com/omflow/booster/internal/trust"
)

// TestJoinFromSettings: an agent whose Caddyfile has no join joins the boosters of its
// OMFLOW Server's settings.py, and is refused with the file and the name where there is
// none to join.
func TestJoinFromSettings(t *testing.T) {
	programs.Python(t)
	for name, tt := range map[string]struct {
		settings string
		join     []string // written
		noKey    bool
		want     []string
		err      []string
	}{
		"both boosters": {
			settings: "BOOSTER_IP = '10.0.0.11'\nSECOND_BOOSTER_IP = 'booster-b'\nSECOND_BOOSTER_PORT = 5170",
			want:     []string{"10.0.0.11:5169", "booster-b:5170"},
		},
		"join is written": {settings: "BOOSTER_IP = '10.0.0.11'", join: []string{"10.0.0.12:1"}, want: []string{"10.0.0.12:1"}},
		"nothing is named": {settings: "BOOSTER_PORT = '5169'", err: []string{
			"omflow/settings.py", "`join` is not written", "BOOSTER_IP is empty", "BOOSTER_IP = '10.0.0.11'",
		}},
		"a wrong port": {settings: "BOOSTER_IP = '10.0.0.11'\nBOOSTER_PORT = 'x'", err: []string{"omflow/settings.py", `BOOSTER_PORT is "x"`, "write a number"}},
		"not readable": {settings: "(", err: []string{"omflow/settings.py", "it is no Python"}},
		// They are on other machines, as it turns out.
		"no key": {settings: "BOOSTER_IP = '10.0.0.11'", noKey: true, err: []string{"key is missing", "10.0.0.11:5169"}},
	} {
		t.Run(name, func(t *testing.T) {
			app := &App{
				Name: "s1", Listen: "127.0.0.1:0", Join: tt.join, Key: []string{trust.Generate()}, StateDir: t.TempDir(),
				AgentRaw: fmt.Appendf(nil, `{"home":%q,"server":"127.0.0.1:8000","python":"python3"}`, home(t, tt.settings)),
			}
			app.configured = true
			if tt.noKey {
				app.Key = nil
			}
			ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
			defer cancel()
			err := app.Provision(ctx)
			if err == nil {
				err = app.Validate()
			}
			for _, want := range tt.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one with %q", err, want)
				}
			}
			if tt.err == nil && (err != nil || !slices.Equal(app.Join, tt.want)) {
				t.Errorf("joins %v, %v, want %v", app.Join, err, tt.want)
			}
		})
	}
	// Nothing but the configuration can name the boosters of another HTTP server.
	app := &App{Name: "s1", Listen: "127.0.0.1:0", StateDir: t.TempDir(), AgentRaw: []byte(`{"server":"127.0.0.1:80","health":{"live":"/"}}`), configured: true}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	if err := app.Provision(ctx); err == nil || !strings.Contains(err.Error(), "`join 10.0.0.11:5169 10.0.0.12:5169`") {
		t.Errorf("an agent with nothing to join: %v", err)
	}
}
