package setup

import (
	"path/filepath"
	"strings"
	"testing"
)

var packaged = Paths{Dir: "/etc/omflow-booster", Units: "/etc/systemd/system", Program: "/usr/bin/booster"}

// plans are rendered to testdata; that the Caddyfiles are taken by Caddy, and
// formatted, is tested in caddymodule.
var plans = map[string]Plan{
	"booster-alone": {Kind: Booster, Name: "booster-a", Address: "10.0.0.11:5169", Site: ":80", Paths: packaged},
	"booster-primary": {
		Kind: Booster, Name: "booster-a", Address: "10.0.0.11:5169", Boosters: []string{"10.0.0.11:5169", "10.0.0.12:5169"}, Role: Primary,
		Site: "omflow.example.com", InternalTLS: true, Key: testKey, NewKey: true, Paths: packaged,
	},
	"booster-secondary-elsewhere": {
		Kind: Booster, Name: "booster-b", Address: "b.example.com:6000", Boosters: []string{"[fd00::11]:5169", "b.example.com:6000"}, Role: Secondary,
		Site: "http://omflow.example.com:8080", Key: testKey, Paths: Paths{Dir: "/srv/my node", Program: "/srv/booster", Admin: "localhost:2020"},
	},
	"agent": {
		Kind: Agent, Name: "s1", Address: "10.0.0.21:5169", Boosters: []string{"10.0.0.11:5169", "10.0.0.12:5169"}, Home: "/opt/omflow", Server: "10.0.0.21:8000",
		Run: []string{"/opt/omflow/venv/bin/gunicorn", "omflow.wsgi", "--workers", "1", "--threads", "8", "--bind", "10.0.0.21:8000"}, Python: "/opt/omflow/venv/bin/python3",
		Patches: PatchesAuto, CopyUploads: true, User: "omflow", Key: testKey, Paths: packaged,
	},
	"agent-windows": {
		Kind: Agent, Name: "s3", Address: "10.0.0.23:5169", Boosters: []string{"10.0.0.11:5169"}, Home: "/srv/omflow", Server: "10.0.0.23:8000",
		Run: []string{"waitress-serve", "omflow.wsgi:application"}, Patches: PatchesNone, Key: testKey, Paths: Paths{Dir: "/srv/my node", Program: "/srv/booster.exe", Service: true},
	},
	"agent-new": {
		Kind: Agent, Name: "s4", Address: "10.0.0.24:5169", Boosters: []string{"10.0.0.11:5169", "10.0.0.12:5169"}, Home: "/opt/omflow", New: true, User: "omflow", Key: testKey, Paths: packaged,
	},
	"agent-new-low-port": {
		Kind: Agent, Name: "s5", Address: "10.0.0.25:5169", Boosters: []string{"10.0.0.11:5169"}, Home: "/srv/it's here", New: true, Server: ":80", User: "om", Paths: packaged,
	},
	"agent-odd-words": {
		Kind: Agent, Name: "s2", Address: "10.0.0.22:5169", Boosters: []string{"10.0.0.11:5169"}, Home: `/opt/100% "流程" $HOME`, Server: "10.0.0.22:80",
		Run: []string{`C:\Program Files\waitress\`, "`", "", "#", "<<END", "{x}", `a"b`}, Patches: PatchesManual, User: "omflow", Paths: packaged,
	},
}

func TestFiles(t *testing.T) {
	for name, plan := range plans {
		t.Run(name, func(t *testing.T) {
			files, err := plan.Files()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				switch {
				case f.Secret:
					if string(f.Content) != plan.Key+"\n" || f.Mode != 0o600 || f.Path != plan.KeyFile() {
						t.Errorf("the key file is %+v", f)
					}
				case strings.Contains(string(f.Content), testKey):
					t.Errorf("%s holds the key", f.Path)
				default:
					golden(t, filepath.Join("testdata", name+filepath.Ext(f.Path)), f.Content)
				}
			}
			golden(t, filepath.Join("testdata", name+".txt"), []byte(plan.Next(nil)))
		})
	}
}

// TestPackagedUnits: what the Debian package installs is what init would write on
// such a machine, so that it finds it to be there already.
func TestPackagedUnits(t *testing.T) {
	for _, c := range []UnitConfig{
		{Kind: Booster, Program: "/usr/bin/booster", Caddyfile: "/etc/omflow-booster/booster.Caddyfile"},
		{Kind: Agent, Program: "/usr/bin/booster", Caddyfile: "/etc/omflow-booster/agent.Caddyfile", User: "omflow"},
	} {
		unit, err := RenderUnit(c)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("..", "..", "deploy", "systemd", "omflow-"+string(c.Kind)+".service"), unit)
	}
}

func TestNextTellsWhoTheKeyIsFor(t *testing.T) {
	p := plans["booster-primary"]
	next := p.Next([]File{{Path: p.KeyFile(), Owner: p.ServiceUser()}})
	for _, want := range []string{"useradd --system", "chown omflow-booster /etc/omflow-booster/booster.key", testKey} {
		if !strings.Contains(next, want) {
			t.Errorf("%q is not in\n%s", want, next)
		}
	}
	p = plans["agent-new-low-port"]
	next = p.Next([]File{{Path: p.KeyFile(), Owner: p.ServiceUser()}})
	for _, want := range []string{"useradd --system --user-group --home-dir /var/lib/omflow-agent ", "chown om /etc/omflow-booster/agent.key", `mkdir -p '/srv/it'\''s here' && chown om: '/srv/it'\''s here'`} {
		if !strings.Contains(next, want) {
			t.Errorf("%q is not in\n%s", want, next)
		}
	}
	p = plans["booster-primary"]
	p.NewKey = false
	if strings.Contains(p.Next(nil), testKey) {
		t.Error("a key that was taken is shown")
	}
}

func TestValidateRefuses(t *testing.T) {
	agent, booster := plans["agent"], plans["booster-alone"]
	for what, change := range map[string]func() Plan{
		"kind":            func() Plan { p := booster; p.Kind = "slave"; return p },
		"no name":         func() Plan { p := booster; p.Name = ""; return p },
		"absolute":        func() Plan { p := booster; p.Paths.Dir = "etc"; return p },
		"has no site":     func() Plan { p := booster; p.Site = ""; return p },
		"there can be":    func() Plan { p := booster; p.Boosters = []string{"a", "b", "c"}; return p },
		"that is there":   func() Plan { p := agent; p.Run = nil; return p },
		"and the command": func() Plan { p := agent; p.Server = ""; return p },
		"and the boost":   func() Plan { p := plans["agent-new"]; p.Boosters = nil; return p },
		"Server's folder": func() Plan { p := plans["agent-new"]; p.Home = ""; return p },
		"another port":    func() Plan { p := agent; p.Boosters = []string{p.Address}; return p },
		"needs a user":    func() Plan { p := agent; p.User = ""; return p },
		"control char":    func() Plan { p := agent; p.Home = "/a\nb"; return p },
		"variable":        func() Plan { p := agent; p.Home = "/{$HOME}"; return p },
		"ends at the }":   func() Plan { p := booster; p.Paths.Dir = "/a}"; return p },
		"both a backtick": func() Plan { p := agent; p.Home = "/`\\"; return p },
	} {
		if _, err := change().Files(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestExecArg(t *testing.T) {
	for in, want := range map[string]string{
		"/usr/bin/booster": "/usr/bin/booster",
		"/a b":             `"/a b"`,
		"/50%":             "/50%%",
		"/$HOME":           "/$$HOME",
		`/a"b'c\d`:         `"/a\"b'c\\d"`,
	} {
		if got := execArg(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzWords(f *testing.F) {
	f.Add("gunicorn omflow.wsgi --bind \"a b\" `c d` C:\\x\\ \"\"")
	f.Fuzz(func(t *testing.T, line string) {
		words, err := SplitWords(line)
		if err != nil {
			return
		}
		joined, err := JoinWords(words)
		if err != nil {
			return
		}
		again, err := SplitWords(joined)
		if err != nil || strings.Join(again, "\x00") != strings.Join(words, "\x00") || len(again) != len(words) {
			t.Errorf("%q became %q and then %q, %v", words, joined, again, err)
		}
	})
}

func TestSplitWordsRefuses(t *testing.T) {
	for _, in := range []string{`"a`, "a `b", `a "b\"`} {
		if words, err := SplitWords(in); err == nil {
			t.Errorf("%s: became %q", in, words)
		}
	}
}
