package agent

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestUnmarshalCaddyfile(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"nothing":        {"agent", `{}`},
		"an empty block": {"agent {\n}", `{}`},
		"everything": {`agent {
				home       /opt/omflow
				server     10.0.0.21:8000
				run        gunicorn --bind "0.0.0.0:8000" omflow.wsgi
				lead_env   RUN_MAIN=true OTHER=1
				python     python3.12
				database   postgres://omflow@10.0.0.5/omflow
				replicate  files
				stop_grace 1m
				capacity   4
				weight     50
				health {
					live     /live
					ready    /ready "all is well"
					interval 500ms
					timeout  1s
					fall     5
					rise     1
				}
				patch /srv/app {
					include    *.py templates/
					include    /LICENSE
					exclude    local/
					settle     1s
					max_settle 1m
					on_change  run systemctl reload omflow
					approve    manual
					keep       5
				}
			}`, `{"home":"/opt/omflow","server":"10.0.0.21:8000",
				"run":["gunicorn","--bind","0.0.0.0:8000","omflow.wsgi"],
				"lead_env":["RUN_MAIN=true","OTHER=1"],"python":"python3.12",
				"database":"postgres://omflow@10.0.0.5/omflow",
				"patch":{"folder":"/srv/app","include":["*.py","templates/","/LICENSE"],"exclude":["local/"],
				"settle":1000000000,"max_settle":60000000000,"on_change":"run","on_change_run":["systemctl","reload","omflow"],
				"approve":"manual","keep":5},"replicate":"files",
				"stop_grace":60000000000,"capacity":4,"weight":50,
				"health":{"live":"/live","ready":"/ready","ready_expect":"all is well",
				"interval":500000000,"timeout":1000000000,"fall":5,"rise":1}}`},
		"options after a health block": {"agent {\nhealth {\nlive /\n}\nserver s1.internal:80\n}",
			`{"server":"s1.internal:80","health":{"live":"/"}}`},
		"a patch folder": {"agent {\npatch\n}", `{"patch":{}}`},
		"IPv6":           {"agent {\nserver [fd00::21]:8000\n}", `{"server":"[fd00::21]:8000"}`},
		"new server":     {"agent {\nserver :8001\n}", `{"server":":8001"}`},
		"no block":       {"agent", `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			var a Agent
			if err := a.UnmarshalCaddyfile(caddyfile.NewTestDispenser(tt.in)); err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Join(strings.Fields(strings.ReplaceAll(tt.want, "all is well", "all\x01is\x01well")), "")
			if want = strings.ReplaceAll(want, "\x01", " "); string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestUnmarshalCaddyfileRefuses holds mistakes against what is said of them and,
// after an @, in which line.
func TestUnmarshalCaddyfileRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"agent s1":                                     `agent takes no arguments, only a block: move "s1" into it@1`,
		"agent {\nsever 10.0.0.1:80\n}":                `unknown option "sever" in agent: write one of home, server@2`,
		"agent {\n\nhome\n}":                           "home needs a value@3",
		"agent {\nhome \"\"\n}":                        "home needs a value",
		"agent {\nhome /a b\n}":                        `home takes no more than that: remove "b"`,
		"agent {\nhome /a\nhome /b\n}":                 "home is given twice@3",
		"agent {\nserver\n}":                           "server needs a value",
		"agent {\nserver 10.0.0.1\n}":                  "write it as host:port",
		"agent {\nserver :0\n}":                        "the port must be a number",
		"agent {\nserver :8000/x\n}":                   "the port must be a number",
		"agent {\nserver 0.0.0.0:8000\n}":              "write one machine's own",
		"agent {\nserver [::]:8000\n}":                 "write one machine's own",
		"agent {\nserver a:0\n}":                       "a number from 1 to 65535",
		"agent {\nserver a:http\n}":                    "a number from 1 to 65535",
		"agent {\nserver user@a:80\n}":                 "write a name or an IP address",
		"agent {\nrun\n}":                              "run needs a command",
		"agent {\nstop_grace soon\n}":                  `stop_grace "soon": write a duration`,
		"agent {\nstop_grace 0s\n}":                    "write a duration",
		"agent {\nstop_grace -1s\n}":                   "write a duration",
		"agent {\ncapacity 0\n}":                       "write a number from 1",
		"agent {\ncapacity many\n}":                    "write a number from 1",
		"agent {\ncapacity 8 8\n}":                     "capacity takes no more than that",
		"agent {\nweight 0\n}":                         "write a number from 1",
		"agent {\nweight 99999999999999999999\n}":      "write a number from 1",
		"agent {\nhealth /\n}":                         "health takes no more than that",
		"agent {\nhealth {\nalive /\n}\n}":             `unknown option "alive" in health: write one of live@3`,
		"agent {\nhealth {\nlive\n}\n}":                "live takes a path",
		"agent {\nhealth {\nlive / ok\n}\n}":           "live takes a path",
		"agent {\nhealth {\nlive ping\n}\n}":           "write a path that begins with a slash",
		"agent {\nhealth {\nready / all is well\n}\n}": "quote a text with spaces",
		"agent {\nhealth {\nfall 0\n}\n}":              "write a number from 1",
		"agent {\nhealth {\ninterval 2\n}\n}":          "write a duration",
		"agent {\nhealth {\nrise 2\nrise 2\n}\n}":      "rise is given twice",
		"agent {\nhealth {\nlive /\n}\nhealth {\n}\n}": "health is given twice",
		"agent {\nlead_env\n}":                         "lead_env needs variables",
		"agent {\nlead_env RUN_MAIN\n}":                `lead_env "RUN_MAIN": write NAME=value`,
		"agent {\nlead_env =true\n}":                   "write NAME=value",
		"agent {\npython\n}":                           "python needs a value",
		"agent {\ndatabase\n}":                         "database needs a value",
		"agent {\ndatabase sqlite:///x\n}":             "database: ",
		"agent {\ndatabase omflow\n}":                  "database: ",
		"agent {\npatch /a /b\n}":                      "patch takes no more than that",
		"agent {\npatch {\n}\npatch /b\n}":             "an agent has one patch folder, and patch is given twice@4",
		"agent {\npatch {\nwatch /b\n}\n}":             `unknown option "watch" in patch: write one of include@3`,
		"agent {\npatch {\ninclude\n}\n}":              "include needs patterns",
		"agent {\npatch {\nexclude a[\n}\n}":           `exclude "a["`,
		"agent {\npatch {\nexclude ../a\n}\n}":         `exclude "../a"`,
		"agent {\npatch {\nsettle 0s\n}\n}":            "settle \"0s\": write a duration",
		"agent {\npatch {\nmax_settle x\n}\n}":         "max_settle \"x\": write a duration",
		"agent {\npatch {\non_change\n}\n}":            "on_change needs restart",
		"agent {\npatch {\non_change reload\n}\n}":     `on_change "reload": write restart@3`,
		"agent {\npatch {\non_change run\n}\n}":        "on_change run needs a command",
		"agent {\npatch {\non_change none x\n}\n}":     `on_change none takes no command: remove "x"`,
		"agent {\npatch {\napprove yes\n}\n}":          `approve "yes": write auto or manual`,
		"agent {\npatch {\nkeep 0\n}\n}":               "write a number from 1 to 1000",
		"agent {\nreplicate a b\n}":                    "replicate takes no",
	} {
		var a Agent
		err := a.UnmarshalCaddyfile(caddyfile.NewTestDispenser(in))
		text, line, _ := strings.Cut(want, "@")
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q:\n error %v\n want  %s", in, err, text)
		} else if !strings.HasSuffix(err.Error(), ", at Testfile:"+line) && line != "" || !strings.Contains(err.Error(), ", at Testfile:") {
			t.Errorf("%q: the error %q does not say its line %s", in, err, line)
		}
	}
}
