//go:build unix

package agent

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/bootstrap"
	"github.com/omflow/booster/internal/caddyconf"
	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/rollout"
)

// TestSlaveValidate: what an agent of a new server may say before the cluster is asked.
func TestSlaveValidate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		agent Agent
		want  string // part of the error; empty: accepted
	}{
		{Agent{}, ""},
		{Agent{Home: "/nowhere/omflow"}, ""},
		{Agent{Home: "/nowhere/omflow", Server: ":8000", Python: "/usr/bin/python3", Capacity: 4, Run: []string{"gunicorn"}}, ""},
		{Agent{Home: file}, "is a file"},
		{Agent{Server: ":"}, "write a port"},
		{Agent{Server: ":0"}, "write a port"},
		{Agent{Server: ":http"}, "write a port"},
		{Agent{Server: ":65536"}, "write a port"},
		{Agent{LeadEnv: []string{"A"}}, `lead_env "A"`},
		{Agent{Run: []string{""}}, "empty word"},
		{Agent{Run: []string{"python3", "manage.py", "runserver"}}, "they would fire several times"},
		{Agent{Database: "sqlite:///x"}, "database: "},
		{Agent{StopGrace: -1}, "negative"},
		{Agent{Capacity: -1}, "capacity -1"},
		{Agent{Weight: maxWeight + 1}, "weight"},
	} {
		if !tt.agent.isSlave() {
			t.Errorf("%+v is no new server's", tt.agent)
		}
		err := provision(t, &tt.agent)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.agent, err, tt.want)
		}
	}
	for _, a := range []Agent{{Server: "10.0.0.21:8000"}, {Health: &caddyconf.Health{Live: "/"}}} {
		if a.isSlave() {
			t.Errorf("%+v is a new server's", a)
		}
	}
}

// first is the agent of a server that is there.
func first(t *testing.T) *Agent {
	t.Helper()
	home := t.TempDir()
	a := &Agent{
		Home: home, Server: "10.0.0.21:8000", Run: []string{home + "/venv/bin/gunicorn", "--bind", "10.0.0.21:8000", "omflow.wsgi"},
		LeadEnv: []string{"RUN_MAIN=true", "X=1"}, Python: home + "/venv/bin/python3", Database: "postgres://u:p@db/omflow",
		Patch:     &Patch{Exclude: []string{"*.orig"}, OnChange: onChangeRun, OnChangeRun: []string{home + "/hook"}, Approve: approveManual},
		Replicate: "uploads", StopGrace: caddy.Duration(time.Minute), Capacity: 5, Weight: 50, Health: &caddyconf.Health{Live: "/l"},
	}
	if err := provision(t, a); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestWhole: a new server has the options of another, made its own, but for those that it
// writes itself.
func TestWhole(t *testing.T) {
	there := first(t)
	there.OracleExporter, there.Weight = &OracleExporter{URL: "http://u:s3cret@127.0.0.1:9161/metrics"}, 77
	options, err := there.handed()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(options); strings.Contains(text, "s3cret") || strings.Contains(text, "weight") || there.OracleExporter == nil {
		t.Errorf("new servers are given %s", text)
	}
	from := bootstrap.Place{Name: "s1", Home: there.Home, Server: there.Server}
	log := slog.New(slog.DiscardHandler)

	a := &Agent{Home: "/srv/om", log: log}
	w, to, err := a.whole("s4", "10.0.0.24:5169", from, options)
	if err != nil {
		t.Fatal(err)
	}
	if to != (bootstrap.Place{Name: "s4", Home: "/srv/om", Server: "10.0.0.24:8000"}) || w.Home != to.Home || w.Server != to.Server {
		t.Errorf("%+v, %+v", to, w)
	}
	if !slices.Equal(w.Run, []string{"/srv/om/venv/bin/gunicorn", "--bind", "10.0.0.24:8000", "omflow.wsgi"}) || w.Python != "/srv/om/venv/bin/python3" {
		t.Errorf("run %q with %s", w.Run, w.Python)
	}
	p := w.Patch
	if p.Folder != "/srv/om" || !slices.Equal(p.Exclude, []string{"*.orig"}) || !slices.Equal(p.OnChangeRun, []string{"/srv/om/hook"}) || p.Approve != approveManual {
		t.Errorf("patch %+v", p)
	}
	if w.OracleExporter != nil || w.Replicate != "/srv/om/uploads" || w.Capacity != 5 || w.Weight != defaultWeight || time.Duration(w.StopGrace) != time.Minute ||
		w.Database != there.Database || !slices.Equal(w.LeadEnv, there.LeadEnv) || w.checks.Live.URI != "/l" {
		t.Errorf("%+v", w)
	}

	// Made of its own options once more, nothing changes.
	again, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	w2, to2, err := a.whole("s4", "10.0.0.24:5169", to, again)
	if err != nil || to2 != to {
		t.Fatalf("%+v, %v", to2, err)
	}
	if twice, err := json.Marshal(w2); err != nil || string(twice) != string(again) {
		t.Errorf("%s became %s", again, twice)
	}

	// Its own come first; the home is the other's where it has none.
	own := &Agent{
		Server: ":8001", Run: []string{"waitress-serve"}, LeadEnv: []string{"Y=2"}, Python: "python3.12", Database: "none",
		OracleExporter: &OracleExporter{URL: "http://10.0.0.31:9161/metrics"},
		Patch:          &Patch{Keep: 7}, Replicate: "/data", StopGrace: 1, Capacity: 3, Weight: 9, log: log,
	}
	for field, value := range reflect.ValueOf(own).Elem().Fields() {
		if field.IsExported() && value.IsZero() && field.Name != "Home" && field.Name != "Health" {
			t.Errorf("%s: is it the cluster's, or each server's own?", field.Name)
		}
	}
	w, to, err = own.whole("s4", "[fd00::24]:5169", from, options)
	if err != nil {
		t.Fatal(err)
	}
	if to.Home != there.Home || w.Server != "[fd00::24]:8001" || !slices.Equal(w.Run, own.Run) || !slices.Equal(w.LeadEnv, own.LeadEnv) ||
		w.Python != own.Python || w.Database != "none" || w.Patch.Keep != 7 || w.Patch.Exclude != nil || w.Replicate != "/data" ||
		w.OracleExporter != own.OracleExporter || w.StopGrace != 1 || w.Capacity != 3 || w.Weight != 9 {
		t.Errorf("%+v, %+v", w, w.Patch)
	}
	if own.Patch.Folder != "" {
		t.Error("its own configuration was changed")
	}

	// What can't be taken over.
	for _, tt := range []struct {
		options, want string
	}{
		{`{"run":["gunicorn"]}`, "server s1 has its code in no release"},
		{`{"run":["gunicorn"],"patch":{"folder":"/elsewhere"}}`, "server s1 has its code in no release"},
		{`{"patch":{}}`, "server s1 does not run it"},
		{`{"run":["python3","manage.py","runserver"],"patch":{}}`, "they would fire several times"},
		{`{"run":["gunicorn"],"patch":{},"capacity":-3}`, "capacity -3"},
		{`{"run":"gunicorn"}`, "read the options"},
	} {
		if _, _, err := a.whole("s4", "10.0.0.24:5169", from, json.RawMessage(tt.options)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.options, err, tt.want)
		}
	}
}

// TestAbsent: a new server is not started, offers itself as no lead server, and is no
// first release, before its files are a release; then it is.
func TestAbsent(t *testing.T) {
	b := newBed(t)
	f := &folder{alive: func(what string) { t.Error(what) }}
	head := release.Ref{}
	b.to.say(func(ask rollout.Ask) (rollout.Answer, error) {
		a := rollout.Answer{Term: 1, Part: rollout.Lead, Grant: 9, Offer: ask.Offer}
		if ask.Offer == 0 {
			a = rollout.Answer{Term: 1, Part: rollout.Follower}
		}
		if !head.IsZero() {
			a.Head, a.HeadHash, a.Apply = head.Number, head.Hash.String(), head.Number
		}
		return a, nil
	})
	a := b.agent(func(a *Agent) { a.Home, a.Database, a.Patch = t.TempDir(), databaseNone, &Patch{} })
	b.start(a, func(s *settings) {
		s.slave = true
		s.openPatch = func(cfg patch.Config) (patches, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.cfg = cfg
			return f, nil
		}
	})
	reason := func(text string) {
		t.Helper()
		r := b.to.wait(t, text, func(r gossip.Report) bool { return strings.Contains(r.Reason, text) })
		if r.State != gossip.ServerStarting || r.PID != 0 {
			t.Errorf("%s: %+v", text, r)
		}
	}
	reason("the cluster's first release")
	if ask := b.to.waitAsk(t, "asked", func(a rollout.Ask) bool { return a.Term == 1 }); ask.Offer != 0 || !ask.Candidate {
		t.Errorf("asked %+v", ask)
	}
	// A cluster that has had no release for long takes another server's folder than the
	// lead's, but never this one.
	a.inUse.r.look(func(m *monitor) { m.patch.empty = time.Now().Add(-2 * orphanTime) })
	for range 3 {
		heard := time.Now()
		b.to.waitAsk(t, "asked again", func(a rollout.Ask) bool { return a.Term == 1 && time.Since(heard) > askSoon })
		if f.cfg.First() {
			t.Fatal("its folder may become the first release")
		}
	}
	f.set(func(s *patch.State) { s.Trouble = "no space left on device" })
	f.fail = errors.New("no space left on device")
	b.to.mu.Lock()
	head = ref(2)
	b.to.mu.Unlock()
	reason("no space left on device")
	for begun := time.Now(); time.Since(begun) < 3*askSoon; time.Sleep(5 * time.Millisecond) {
		if r := b.to.get(); r.PID != 0 {
			t.Fatalf("it was started without its files: %+v", r)
		}
	}
	f.set(func(s *patch.State) { s.Applied, s.Trouble = ref(2), "" })
	f.cfg.Changed()
	b.to.wait(t, "up", up)
}
