package faults

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// servers is how many stand behind the door.
const servers = 3

// roundRobin is an ordinary balancer: it knows nothing of OMFLOW and takes the next
// server for each request.
func roundRobin(t *testing.T, c *testbed.Cluster) string {
	t.Helper()
	var next atomic.Uint64
	transport := &http.Transport{DisableKeepAlives: true} // servers go away
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			i := next.Add(1) % servers
			r.SetURL(&url.URL{Scheme: "http", Host: c.Config(int(i)).Listen})
		},
	})
	t.Cleanup(proxy.Close)
	return proxy.URL
}

// ordinary is a cluster as it is without the booster: the first servers, mostly all of
// them, have RUN_MAIN, and each is started again where it stood.
func ordinary(t *testing.T, servers, leads int) (Door, *testbed.Cluster) {
	t.Helper()
	c, err := testbed.NewCluster(testbed.ClusterConfig{Servers: servers, Dir: t.TempDir(), Lead: leads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	restart := func(_ context.Context, i int) error { return c.Restart(i) }
	d := Door{
		URL: c.Servers[0].URL(), Truth: c.Queries, Servers: servers, Restart: restart, Kill: restart,
		StopDatabase:  func(context.Context) error { c.Database.Stop(); return nil },
		StartDatabase: func(context.Context) error { return c.Database.Start() },
		Patience:      10 * time.Second,
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	return d, c
}

// faultsSeen is how each promise is broken behind a round robin.
var faultsSeen = map[string]string{
	"token":             `the token was refused \d+ times`,
	"rest-session":      `logged out`,
	"chunked":           `did not arrive: status 404`,
	"settings-hole":     `LDAP password`,
	"files-hole":        `settings\.py was sent`,
	"new-flow":          `8 of 12 .* 'NoneType' object has no attribute`,
	"disabled-flow":     `was disabled and took 8 tickets`,
	"undeployed-flow":   `was undeployed and took 8 tickets`,
	"flow-switches":     `enabled true`,
	"sidebar":           `custom_8001 is not in the menu`,
	"parameter":         `has "stamped" of the parameter`,
	"attachment-kept":   `marked it deleted`,
	"attachments-apart": `got no number|instead of its own`,
	"schedule-once":     `fired too often`,
	"pauses":            `8 of 12 tickets never came to the end of their step`,
	"schedule-deleted":  `in the database again`,
	"create-honest":     `12 creates were answered with success and 4 tickets exist`,
	"restart-queue":     `ran its step twice`,
	"killed-queue":      `ran its step twice`,
	"schedule-kill":     `fired \d+ times`,
	"ended-queue":       `ran its step twice`,
	"stranded-new":      `[1-9]\d* of 12 tickets never came to the end`,
	"stranded-step":     `[1-9]\d* of 12 tickets never came to the end`,
	"database-restart":  `only 0 of 12 tickets`,
}

func TestEveryPromiseIsBrokenBehindARoundRobin(t *testing.T) {
	if len(faultsSeen) != len(Promises()) {
		t.Errorf("%d promises, and %d ways in which they are broken", len(Promises()), len(faultsSeen))
	}
	for _, p := range Promises() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			leads := servers
			if p.Name == "pauses" {
				leads = 1 // so that each schedule fires once
			}
			var b *Broken
			// Some faults show only when a server dies at the right moment, which a busy
			// machine may miss.
			for try := 1; b == nil; try++ {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				d, c := ordinary(t, servers, leads)
				d.URL = roundRobin(t, c)
				if p.Name == "database-restart" || p.Name == "pauses" {
					d.Patience = 3 * time.Second // what never happens is waited for in vain
				}
				if err := p.Check(ctx, d); !errors.As(err, &b) && try == 3 {
					t.Fatalf("%s: %v; want the fault", p.Says, err)
				}
			}
			if !regexp.MustCompile(faultsSeen[p.Name]).MatchString(b.What) {
				t.Errorf("broken in another way: %s; want %s", b.What, faultsSeen[p.Name])
			}
		})
	}
}

// brokenAlone are the promises that one server on its own does not keep either.
var brokenAlone = []string{"rest-session", "chunked", "settings-hole", "files-hole", "schedule-kill", "ended-queue", "stranded-new", "stranded-step", "database-restart"}

// One server is what many should be like: the other checks hold on it, so that a
// check that never can is found out.
func TestPromisesHoldOnOneServer(t *testing.T) {
	for _, p := range Promises() {
		if slices.Contains(brokenAlone, p.Name) {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			d, _ := ordinary(t, 1, 1)
			if err := p.Check(ctx, d); err != nil {
				t.Errorf("%s: %v", p.Says, err)
			}
		})
	}
}

// The check of long steps holds on one server, which takes its own tickets over when it is
// started again. It sees when another takes them over while they run.
func TestLongStep(t *testing.T) {
	t.Parallel()
	const step = 2 * time.Second
	alone, _ := ordinary(t, 1, 1)
	if err := CheckLongStep(t.Context(), alone, step, func(context.Context) error { return nil }); err != nil {
		t.Errorf("one server: %v", err)
	}
	two, c := ordinary(t, 2, 2)
	two.Kill = func(context.Context, int) error { return c.Restart(1) }
	err := CheckLongStep(t.Context(), two, step, func(context.Context) error { return copyFlows(c) })
	var b *Broken
	if !errors.As(err, &b) || !strings.Contains(b.What, "ran its step twice") {
		t.Errorf("another server takes the steps over: %v", err)
	}
}

// copyFlows gives the second server the files of the first one's flows.
func copyFlows(c *testbed.Cluster) error {
	for _, dir := range []string{"omformmodel", "omformflow"} {
		from, to := filepath.Join(c.Config(0).Home, dir), filepath.Join(c.Config(1).Home, dir)
		if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(from))); err != nil {
			return err
		}
	}
	return c.Restart(1)
}

func TestDoorValidate(t *testing.T) {
	good, _ := ordinary(t, 1, 1)
	for name, edit := range map[string]func(*Door){
		"URL": func(d *Door) { d.URL = "" }, "database": func(d *Door) { d.Truth.Caller = nil },
		"servers": func(d *Door) { d.Servers = 0 }, "restart": func(d *Door) { d.Restart = nil },
		"kill": func(d *Door) { d.Kill = nil }, "stop": func(d *Door) { d.StopDatabase = nil },
		"start": func(d *Door) { d.StartDatabase = nil }, "patience": func(d *Door) { d.Patience = -1 },
	} {
		bad := good
		edit(&bad)
		if bad.Validate() == nil {
			t.Errorf("a bad %s was taken", name)
		}
	}
}
