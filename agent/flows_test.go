package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/omflow/booster/internal/database"
	"github.com/omflow/booster/internal/omflow/flows"
	standin "github.com/omflow/booster/internal/testbed/database"
	"github.com/omflow/booster/internal/testbed/observe"
)

// flowsDatabase returns a database as OMFLOW sees it and as the agent does.
func flowsDatabase(t *testing.T) (standin.Queries, *database.DB) {
	t.Helper()
	s, err := standin.NewServer(standin.Config{Listen: "127.0.0.1:0", Postgres: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	p := standin.NewPool(s.Addr())
	t.Cleanup(p.Close)
	host, text, err := net.SplitHostPort(s.PostgresAddr())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(database.Target{Engine: database.Postgres, Host: host, Port: port, Name: standin.PostgresName, User: standin.PostgresRole})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return standin.Queries{Caller: p}, db
}

// The directory follows what is deployed, when it is said that something may have been.
func TestFlowsAreRead(t *testing.T) {
	q, db := flowsDatabase(t)
	deploy := func(n int, steps ...standin.Step) standin.Flow {
		t.Helper()
		f, err := q.SaveFlow(standin.Flow{UUID: fmt.Sprintf("%032x", n), App: "app", Name: fmt.Sprint(n), APIPath: fmt.Sprint(n), Steps: steps})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	pause := standin.Step{Name: "暫停", Pause: time.Second}
	deploy(1, standin.Step{Name: "form"})
	d := &data{log: slog.New(slog.DiscardHandler), deployed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.readFlows(ctx, db) }()
	defer func() { cancel(); <-done }()
	is := func(what string, count, pausing int) {
		t.Helper()
		observe.Eventually(t, what, func() bool {
			n, p := d.flows.Load().Len()
			return n == count && p == pausing
		})
	}
	is("one flow", 1, 0)
	first := d.flowsVersion()
	f := deploy(2, pause)
	d.lookForFlows()
	is("one that pauses", 2, 1)
	if d.flowsVersion() == first || first == "" {
		t.Errorf("version %q after %q", d.flowsVersion(), first)
	}
	if flow, ok := d.flows.Load().ByAPIPath("2"); !ok || !flow.PauseOnOpen {
		t.Errorf("flow %+v, %v", flow, ok)
	}
	f.Undeployed = true
	if _, err := q.SaveFlow(f); err != nil {
		t.Fatal(err)
	}
	d.lookForFlows()
	is("it is gone", 1, 0)
	if d.flowsVersion() != first {
		t.Error("the same flows have another version")
	}
	var none *data
	none.lookForFlows()
	if none.flowsVersion() != "" {
		t.Error("an agent without a database has flows")
	}
}

// A design that can't be read counts by its words.
func TestDesignOf(t *testing.T) {
	for name, test := range map[string]struct {
		design database.FlowDesign
		want   bool
	}{
		"none of the words":        {database.FlowDesign{Has: []bool{false, false, false}}, false},
		"too long":                 {database.FlowDesign{Has: []bool{true, false, false}}, true},
		"too long, and it calls":   {database.FlowDesign{Has: []bool{false, true, false}}, false},
		"no JSON":                  {database.FlowDesign{Has: []bool{true, true, false}, Text: `{"sleep"`}, true},
		"the word is a text":       {database.FlowDesign{Has: []bool{true, false, false}, Text: `{"items":[{"type":"form","text":"sleep"}]}`}, false},
		"the word is a step's":     {database.FlowDesign{Has: []bool{true, false, false}, Text: `{"items":[{"type":"sleep"}]}`}, true},
		"the case is another one":  {database.FlowDesign{Has: []bool{true, false, false}, Text: `{"items":[{"type":"SLEEP"}]}`}, false},
		"a step without a type":    {database.FlowDesign{Has: []bool{true, false, false}, Text: `{"items":[{"text":"sleep"}]}`}, false},
		"a pause beside the calls": {database.FlowDesign{Has: []bool{true, false, true}, Text: `{"items":[{"type":"inflow","config":{"flow_name":"x"}},{"type":"sleep"}]}`}, true},
	} {
		if got := designOf(test.design); got.Sleeps != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := designOf(database.FlowDesign{Has: []bool{false, false, true}, Text: `{"items":[{"type":"inflow","config":{"flow_name":"x"}}]}`}); len(got.Calls) != 1 || got.Calls[0] != (flows.Call{Flow: "x"}) {
		t.Errorf("calls %+v", got)
	}
}
