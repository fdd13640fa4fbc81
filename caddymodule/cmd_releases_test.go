package caddymodule

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const releasesJSON = `{"head":3,"target":2,"releases":[
{"number":3,"hash":"c3","kind":"patch","origin":"s2","time":"2026-03-04T05:06:07Z","files":2,"bytes":9,"changes":{"added":0,"modified":1,"deleted":1,"bytes":3},"state":"waiting","servers":[]},
{"number":2,"hash":"c2","kind":"rollback","origin":"booster-a","time":"2026-03-03T05:06:07Z","note":"back to release 1","files":2,"bytes":9,"changes":null,"state":"current","servers":["s1","s2"]},
{"number":1,"hash":"c1","kind":"patch","origin":"s1","time":"2026-03-02T05:06:07Z","files":2,"bytes":9,"changes":{"added":2,"modified":0,"deleted":0,"bytes":3},"state":"quarantined","reason":"it fell over","servers":[]}]}`

const releasesTable = `RELEASE  WHEN                 FROM       KIND      FILES     STATE        ON      NOTE
3        2026-03-04 05:06:07  s2         patch     +0 ~1 −1  waiting      -       -
2        2026-03-03 05:06:07  booster-a  rollback  ?         current      s1, s2  back to release 1
1        2026-03-02 05:06:07  s1         patch     +2 ~0 −0  quarantined  -       -

Release 1 is in quarantine: it fell over

Release 3 waits: booster omflow releases approve 3
`

const releaseJSON = `{"number":3,"hash":"c3","kind":"patch","origin":"s2","time":"2026-03-04T05:06:07Z","note":"by hand","files":2,"bytes":9,
"changes":{"added":0,"modified":1,"deleted":0,"bytes":3},"state":"quarantined","reason":"it fell over","servers":["s1"],
"on":[{"name":"s1","release":3,"state":"applied"},{"name":"s2","release":2,"state":"missing","trouble":"no space"}],
"parent":2,"paths":[{"path":"a.py","change":"modified","bytes":3}],"diff":"~ a.py (3 → 3 bytes)\n-a\n+b\n"}`

const releasePage = `Release 3, 2026-03-04 05:06:07, patch from s2: quarantined
In quarantine: it fell over
by hand
+0 ~1 −0; 2 files, 9 bytes in all; sha256 c3

SERVER  STATE    RELEASE  REASON
s1      applied  3        -
s2      missing  2        no space

~ a.py (3 → 3 bytes)
-a
+b
`

const firstJSON = `{"number":1,"hash":"c1","kind":"patch","origin":"s1","time":"2026-03-04T05:06:07Z","files":2,"bytes":9,
"changes":{"added":2,"modified":0,"deleted":0,"bytes":3},"state":"past","servers":[],"on":[],
"parent":0,"paths":[{"path":"a.py","change":"added","bytes":3}],"more":1,"diff":""}`

func TestReleasesCommands(t *testing.T) {
	// Times are shown as they are here.
	local := strings.NewReplacer(
		"2026-03-04 05:06:07", time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).Local().Format(time.DateTime),
		"2026-03-03 05:06:07", time.Date(2026, 3, 3, 5, 6, 7, 0, time.UTC).Local().Format(time.DateTime),
		"2026-03-02 05:06:07", time.Date(2026, 3, 2, 5, 6, 7, 0, time.UTC).Local().Format(time.DateTime),
	)
	well := fakeAPI(t, map[string]string{
		"GET /omflow/releases":             releasesJSON,
		"GET /omflow/releases/3":           releaseJSON,
		"GET /omflow/releases/1":           firstJSON,
		"POST /omflow/releases/3/approve":  `{"release":3}`,
		"POST /omflow/releases/1/rollback": `{"release":4}`,
		"POST /omflow/releases/publish":    `{"servers":[{"name":"s1","release":4},{"name":"s2","release":0}]}`,

		"POST /omflow/releases/confirm/s1?finding=1a2b3c4d":       `{"server":"s1","folder":"patch","act":"confirm"}`,
		"POST /omflow/releases/confirm/s1/patch?finding=1a2b3c4d": `{"server":"s1","folder":"patch","act":"confirm"}`,
		"POST /omflow/releases/restore/s1/replicate":              `{"server":"s1","folder":"replicate","act":"restore"}`,
	})
	ill := fakeAPI(t, map[string]string{
		"GET /omflow/releases":          `{"head":0,"target":0,"releases":[]}`,
		"POST /omflow/releases/publish": `{"servers":[{"name":"s1","release":4},{"name":"s2","release":0,"error":"the folder is empty"}]}`,
	})
	none := fakeAPI(t, map[string]string{"POST /omflow/releases/publish": `{"servers":[]}`})
	for _, tt := range []struct {
		args           string
		code           int
		stdout, stderr string // parts of it; "" for nothing at all
	}{
		{"releases --address " + well, 0, releasesTable, ""},
		{"releases list --address " + well, 0, releasesTable, ""},
		{"releases --json --address " + well, 0, `{"head":3,"target":2,"releases":[{"number":3,`, ""},
		{"releases --address " + ill, 0, "There is no release yet.\n", ""},
		{"releases show 3 --address " + well, 0, releasePage, ""},
		{"releases show 3 --json --address " + well, 0, `"diff":"~ a.py`, ""},
		{"releases show 1 --address " + well, 0, "+ a.py (3 bytes)\nand 1 more\n", ""},
		{"releases show 9 --address " + well, 1, "", "Error: "},
		{"releases show x --address " + well, 2, "", `"x" is no release's number`},
		{"releases show", 2, "", "show takes a release's number"},
		{"releases approve 3 --address " + well, 0, "release 3 is approved\n", ""},
		{"releases rollback 1 --address " + well, 0, "release 4 has that content\n", ""},
		{"releases rollback 1 --json --address " + well, 0, `{"release":4}`, ""},
		{"releases rollback 0 --address " + well, 2, "", `"0" is no release's number`},
		{"releases publish --address " + well, 0, "s1: release 4\ns2: nothing has changed\n", ""},
		{"releases publish --address " + ill, 1, "s1: release 4\n", "server s2: the folder is empty"},
		{"releases publish --json --address " + ill, 1, `{"servers":`, "server s2: the folder is empty"},
		{"releases publish --address " + none, 1, "", "no agent with a patch folder is reached"},
		{"releases confirm s1 1a2b3c4d --address " + well, 0, "s1: what is gone from its patch folder is removed from all servers\n", ""},
		{"releases restore s1 replicate --address " + well, 0, "s1: what is gone from its replicate folder is brought back\n", ""},
		{"releases restore s1 replicate --json --address " + well, 0, `"act":"restore"`, ""},
		{"releases confirm s1 patch 1a2b3c4d --address " + well, 0, "s1: what is gone from its patch folder is removed from all servers\n", ""},
		{"releases confirm s9 1a2b3c4d --address " + well, 1, "", "Error: "},
		{"releases confirm s1 5e6f --address " + well, 1, "", "Error: "},
		{"releases confirm s1 --address " + well, 2, "", "and what is gone"},
		{"releases confirm s1 patch --address " + well, 2, "", "and what is gone"},
		{"releases confirm --address " + well, 2, "", "confirm takes a server"},
		{"releases confirm s1 uploads 1a2b3c4d --address " + well, 2, "", `"uploads" is no folder of a server`},
		{"releases explode", 2, "", "releases takes no arguments, or list"},
		{"releases list now", 2, "", "list takes no arguments"},
		{"releases list --adress x", 2, "", "unknown flag: --adress"},
		{"releases --help", 0, "rollback", ""},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			tt.stdout = local.Replace(tt.stdout)
			code, stdout, stderr := command(t, strings.Fields(tt.args)...)
			if code != tt.code {
				t.Errorf("ends with %d, not %d: %s%s", code, tt.code, stdout, stderr)
			}
			if !strings.Contains(stdout, tt.stdout) || tt.stdout == "" && stdout != "" {
				t.Errorf("standard output is\n%s\nnot\n%s", stdout, tt.stdout)
			}
			if !strings.Contains(stderr, tt.stderr) || tt.stderr == "" && stderr != "" {
				t.Errorf("standard error is\n%s\nnot\n%s", stderr, tt.stderr)
			}
		})
	}
}

// TestReleasesLines: the status says in a line or two how releases stand.
func TestReleasesLines(t *testing.T) {
	for _, tt := range []struct {
		status ReleasesStatus
		want   string
	}{
		{ReleasesStatus{}, ""},
		{ReleasesStatus{Head: 7, Target: 7}, "\nReleases: the newest is 7, and all servers whose agents answer have it\n"},
		{ReleasesStatus{Head: 8, Target: 7, Waiting: []uint64{8}}, "\nReleases: the newest is 8; all servers whose agents answer have 7\nRelease 8 waits: booster omflow releases approve 8\n"},
		{ReleasesStatus{Head: 8}, "\nReleases: the newest is 8; nothing is rolled out\n"},
		{ReleasesStatus{Head: 8, Target: 8, Rollout: &RolloutStatus{Release: 8, Server: "s2", Done: []string{"s1"}, Left: []string{"s2", "s3"}}},
			"\nReleases: the newest is 8; server s2 is brought to 8, 1 of 3 have it\n"},
		{ReleasesStatus{Head: 8, Target: 8, Rollout: &RolloutStatus{Release: 8, Left: []string{"s2", "s3"}}}, "\nReleases: the newest is 8; 8 is not on s2, s3 yet\n"},
		{ReleasesStatus{Pending: []PendingStatus{{"s1", 3, "no booster"}, {"s2", 1, ""}}},
			"\nReleases: the newest is 0\nPending on s1: 3 changed files: no booster\nPending on s2: 1 changed files\n"},
	} {
		var page strings.Builder
		if tt.status.print(&page); page.String() != tt.want {
			t.Errorf("%+v is printed as\n%s\nnot\n%s", tt.status, page.String(), tt.want)
		}
	}
}

// TestRolloutStatus: a roll-out is under way while servers do not have the target.
func TestRolloutStatus(t *testing.T) {
	servers := map[string]uint64{"s1": 8, "s2": 7, "s3": 7}
	s := rolloutStatus(8, servers, map[string]string{"s3": "is restarted", "s1": "is drained"})
	if s == nil || s.Server != "s3" || len(s.Done) != 1 || len(s.Left) != 2 {
		t.Errorf("%+v", s)
	}
	if s := rolloutStatus(0, servers, nil); s != nil {
		t.Errorf("without a target: %+v", s)
	}
	if s := rolloutStatus(8, map[string]uint64{"s1": 8}, nil); s != nil {
		t.Errorf("all have it: %+v", s)
	}
}

// TestReleasesWithoutCluster: a process without a booster says so.
func TestReleasesWithoutCluster(t *testing.T) {
	b := newBed(t)
	b.load(b.alone("server 127.0.0.1:1"))
	err := b.api(http.MethodGet, "/omflow/releases", new(string))
	if err == nil || !strings.Contains(err.Error(), "status 409") {
		t.Error(err)
	}
}
