//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// A file is saved on one server under load: all others have it, each server was
// restarted once, no request failed, no session was logged out, no ticket was opened
// twice.
func TestPatch(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{})
	first := newest(t, c)
	before := c.ServerPIDs(t)
	sessions := c.SignIn(t, 40)
	load := harness.StartLoad(t, sessions, harness.LoadConfig{Rate: 60, CreateEvery: 5, Titles: "patch"})
	save(t, c.Agents[1], "omflow/patched.py", "# the patch\n")
	for _, a := range c.Agents {
		harness.Wait(t, time.Minute, "the file is on "+a.Name, func() error { return holds(a, "omflow/patched.py", "# the patch\n") })
	}
	released(t, c, first+1)
	records := load.Stop(t)
	harness.NoneFailed(t, records)
	c.RanOnce(t, records, "patch")
	for name, pid := range c.ServerPIDs(t) {
		if pid == before[name] {
			t.Errorf("server %s was not restarted", name)
		}
	}

	// It reads like a changelog.
	if out := c.Booster.Command(t, "releases"); out.Code != 0 || !strings.Contains(out.Stdout, "s2") || !strings.Contains(out.Stdout, "+1") {
		t.Errorf("releases: exit code %d\n%s%s", out.Code, out.Stdout, out.Stderr)
	}
	if out := c.Booster.Command(t, "releases", "show", fmt.Sprint(first+1)); out.Code != 0 || !strings.Contains(out.Stdout, "+# the patch") {
		t.Errorf("releases show: exit code %d\n%s%s", out.Code, out.Stdout, out.Stderr)
	}

	// And it can be taken back.
	if out := c.Booster.Command(t, "releases", "rollback", fmt.Sprint(first)); out.Code != 0 {
		t.Fatalf("releases rollback: exit code %d\n%s%s", out.Code, out.Stdout, out.Stderr)
	}
	released(t, c, first+2)
	for _, a := range c.Agents {
		if err := holds(a, "omflow/patched.py", "# the patch\n"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after the roll back the file on %s: %v", a.Name, err)
		}
	}
}

// A patch with which a server does not come back stops at the first server, and is
// taken back there; the others never saw it.
func TestBadPatch(t *testing.T) {
	t.Parallel()
	c := start(t, harness.Config{})
	first := newest(t, c)
	before := c.ServerPIDs(t)
	const models = "omformmodel/models.py"
	good, err := os.ReadFile(filepath.Join(c.Agents[1].Home(), models))
	if err != nil {
		t.Fatal(err)
	}
	save(t, c.Agents[1], models, string(good)+"raise SyntaxError\n")
	harness.Wait(t, 3*time.Minute, "it is taken back", func() error { return holds(c.Agents[1], models, string(good)) })
	released(t, c, first+2)
	c.WaitUp(t, len(c.Agents))
	after := c.ServerPIDs(t)
	var tried []string // s2, where it was made, or another that did not count as up yet, of which nothing is lost
	for _, a := range c.Agents {
		if name := a.Name; after[name] != before[name] {
			tried = append(tried, name)
		}
		if err := holds(a, models, string(good)); err != nil {
			t.Error(err)
		}
	}
	if len(tried) != 1 {
		t.Errorf("servers that ran it: %q", tried)
	}
	if out := c.Booster.Command(t, "status"); !strings.Contains(out.Stdout, "PROBLEM") || !strings.Contains(out.Stdout, fmt.Sprintf("release %d", first+1)) {
		t.Errorf("the status does not shout about it:\n%s", out.Stdout)
	}
}

// save writes a file as an editor does.
func save(t *testing.T, a *harness.Node, name, text string) {
	t.Helper()
	file := filepath.Join(a.Home(), name)
	if err := os.WriteFile(file+"~", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+"~", file); err != nil {
		t.Fatal(err)
	}
}

// holds returns an error if a server's file is not as wanted.
func holds(a *harness.Node, name, want string) error {
	text, err := os.ReadFile(filepath.Join(a.Home(), name))
	if err == nil && string(text) != want {
		err = fmt.Errorf("%s on %s has other content", name, a.Name)
	}
	return err
}

// newest waits until all servers are up with one release, and nothing waits to be in the
// next one: a server writes the files of its flows when it starts, before the first release
// is made of its folder, or, on a busy machine, partly after it.
func newest(t *testing.T, c *harness.Cluster) (release uint64) {
	t.Helper()
	harness.Wait(t, 3*time.Minute, "all is in a release", func() error {
		out := c.Booster.Command(t, "releases", "publish")
		if out.Code != 0 || strings.Count(out.Stdout, ": nothing has changed\n") != len(c.Agents) {
			return errors.New(out.Stdout + out.Stderr)
		}
		// Only now, as the last change may have become a release right before that.
		status, err := c.Booster.Status()
		if err != nil {
			return err
		}
		if len(status.Servers) != len(c.Agents) {
			return fmt.Errorf("servers: %+v", status.Servers)
		}
		release = status.Releases.Head
		for _, s := range status.Servers {
			if s.State != "up" || s.Release != release || release == 0 {
				return fmt.Errorf("server %s: %s with release %d of %d", s.Name, s.State, s.Release, release)
			}
		}
		return nil
	})
	return release
}

// released waits until all servers are up with a release.
func released(t *testing.T, c *harness.Cluster, release uint64) {
	t.Helper()
	harness.Wait(t, 3*time.Minute, fmt.Sprintf("all servers have release %d", release), func() error {
		status, err := c.Booster.Status()
		if err != nil {
			return err
		}
		for _, s := range status.Servers {
			if s.State != "up" || s.Release != release {
				return fmt.Errorf("server %s: %s with release %d", s.Name, s.State, s.Release)
			}
		}
		return nil
	})
}
