package caddymodule

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/omflow/booster/internal/trust"
)

// TestServerOptions: an option of a server that is given twice is refused, and not read
// as the last of them.
func TestServerOptions(t *testing.T) {
	for line, want := range map[string]string{
		"server a:1 name=s1 capacity=4 weight=50 lead backup": "",
		"server a:1 capacity=4 capacity=8":                    "server a:1: capacity is given twice, at Testfile:2",
		"server a:1 name=s1 name=s2":                          "server a:1: name is given twice, at Testfile:2",
		"server a:1 backup backup":                            "server a:1: backup is given twice, at Testfile:2",
		"server {env.S1}:80 name=s1":                          `server "{env.S1}:80": placeholders are not filled in here`,
	} {
		err := new(Handler).UnmarshalCaddyfile(caddyfile.NewTestDispenser("omflow_booster {\n" + line + "\n}"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

// TestDefaultListenHasALine: that the port is taken is told with the block's line where no
// listen is written.
func TestDefaultListenHasALine(t *testing.T) {
	text := "{\n\n\tomflow {\n\t\tname a\n\t\tkey " + trust.Generate() + "\n\t}\n}\n"
	if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"}); err != nil {
		t.Fatal(err)
	}
	if err := atWritten(defaultListen, errNotYet); !strings.Contains(err.Error(), "at Caddyfile:3: ") {
		t.Errorf("it says %v", err)
	}
}

// TestEmptyKey: a key that is written and empty, as from a variable that is not set, is
// told by what is written, also where a key might be left out.
func TestEmptyKey(t *testing.T) {
	a := &App{Listen: "127.0.0.1:5169", Key: []string{"{env.OMFLOW_NO_SUCH_KEY}"}}
	err := a.readKeys()
	if err == nil || !strings.Contains(err.Error(), "{env.OMFLOW_NO_SUCH_KEY}") || !strings.Contains(err.Error(), "booster omflow keygen") {
		t.Errorf("readKeys: %v", err)
	}
	a.Key = nil
	if err := a.readKeys(); err != nil {
		t.Errorf("without a key on a loopback address: %v", err)
	}
}
