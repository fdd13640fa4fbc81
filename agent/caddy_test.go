//go:build unix

package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/gossip"
)

// testApp is as much of the omflow app as an agent needs: it loads it and sees
// to its life cycle.
type testApp struct {
	Agent json.RawMessage `json:"agent,omitempty"`
	Dir   string          `json:"dir,omitempty"`
	Fail  bool            `json:"fail,omitempty"`

	agent *Agent
}

// testReports gets what the agents of all testApps report.
var testReports = &board{}

func init() { caddy.RegisterModule(testApp{}) }

func (testApp) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "omflow_agent_test", New: func() caddy.Module { return new(testApp) }}
}

func (a *testApp) Provision(ctx caddy.Context) error {
	module, err := ctx.LoadModuleByID("omflow.agent", a.Agent)
	if err != nil {
		return err
	}
	a.agent = module.(*Agent)
	return nil
}

func (a *testApp) Start() error {
	if err := a.agent.start(a.Dir, "s1", a.agent.settings(testReports, "s1")); err != nil {
		return err
	}
	if a.Fail {
		return fmt.Errorf("something else fails to start: %w", a.agent.Stop())
	}
	return nil
}

func (a *testApp) Stop() error { return a.agent.Stop() }

// TestCaddyReload: Caddy loads the module from JSON, and its reloads, failed
// ones too, keep the process; its end stops it.
func TestCaddyReload(t *testing.T) {
	b := newBed(t)
	load := func(agent, more string) error {
		return caddy.Load(fmt.Appendf(nil, `{"admin":{"disabled":true},
			"logging":{"logs":{"default":{"writer":{"output":"discard"}}}},
			"apps":{"omflow_agent_test":{"dir":%q,"agent":{"server":%q,%s}%s}}}`, b.dir, b.server, agent, more), true)
	}
	command := func(more ...string) string {
		run, _ := json.Marshal(append([]string{os.Args[0], "child-web", b.server}, more...))
		return `"run":` + string(run) + `,"health":{"live":"/live","ready":"/ready"}`
	}
	t.Cleanup(func() { caddy.Stop() })

	if err := load(command(), ""); err != nil {
		t.Fatal(err)
	}
	first := testReports.wait(t, "up", up)
	for name, tt := range map[string]struct{ agent, more, want string }{
		"unknown option": {command() + `,"capacty":4`, "", `unknown field "capacty"`},
		"bad value":      {command() + `,"capacity":-4`, "", "write a number from 1"},
		"other failure":  {command(), `,"fail":true`, "something else fails"},
	} {
		if err := load(tt.agent, tt.more); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	if err := load(command()+`,"capacity":4`, ""); err != nil {
		t.Fatal(err)
	}
	r := testReports.wait(t, "the new capacity", func(r gossip.Report) bool { return r.Capacity == 4 })
	if r.PID != first.PID || !up(r) || r.Restarts != 0 {
		t.Errorf("after a reload: %+v, before %+v", r, first)
	}
	if err := load(command("another"), ""); err != nil {
		t.Fatal(err)
	}
	second := testReports.wait(t, "another process", upWithout(first.PID))
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if alive(first.PID) || alive(second.PID) {
		t.Error("a process lives after Caddy's end")
	}
}
