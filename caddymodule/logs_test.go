package caddymodule

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

// TestNodeLog: what lives as long as the node logs to the configuration in force, and
// again to the one before when Caddy takes a reload back.
func TestNodeLog(t *testing.T) {
	var first, second observe.Buffer
	cfg := nodeConfig{gossip: gossip.Config{
		Name: "booster-a", Kind: gossip.KindBooster, Listen: "127.0.0.1:0", Keys: trust.Loopback(), StateDir: t.TempDir(),
		Logger: slog.New(slog.NewTextHandler(&first, nil)),
	}}
	one, err := useNode(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := one.end(); err != nil {
			t.Error(err)
		}
	}()
	log := one.shared.conductor.log.With("n", 1).WithGroup("g").With("m", 2)
	log.Info("at first")
	log.Debug("too low")

	cfg.gossip.Logger = slog.New(slog.NewTextHandler(&second, &slog.HandlerOptions{Level: slog.LevelDebug}))
	two, err := useNode(cfg)
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("after a reload")
	if err := two.end(); err != nil {
		t.Fatal(err)
	}
	log.Info("taken back", "k", 3)

	for text, where := range map[string]*observe.Buffer{
		`msg="at first" n=1 g.m=2`:         &first,
		`msg="after a reload" n=1 g.m=2`:   &second,
		`msg="taken back" n=1 g.m=2 g.k=3`: &first,
	} {
		if !strings.Contains(where.String(), text) {
			t.Errorf("no %s in\n%s", text, where.String())
		}
	}
	if strings.Contains(first.String()+second.String(), "too low") {
		t.Error("a record below the level was written")
	}
}
