//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/programs"
	"github.com/omflow/booster/tests/e2e/harness"
)

// settingsText is a settings.py of a server whose folder is %[1]s.
const settingsText = `
SECRET_KEY = 'e2e-5ecret-0123456789-abcdefghijklmnopqrstuvwxyz'
ALLOWED_HOSTS = ["*"]
DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'omflow', 'USER': 'omflow', 'PASSWORD': 'e2e-passw0rd', 'HOST': '127.0.0.1', 'PORT': '5432'}}
LOG_DIR = '%[1]s/logs'
`

// manyFiles is enough for an arrival to be met in the middle of it.
const manyFiles = 1500

// settled starts a cluster with one server, whose folder has many files, and waits until
// all of it is in a release, whose number it returns.
func settled(t *testing.T) (c *harness.Cluster, release uint64) {
	t.Helper()
	programs.Python(t)
	c = start(t, harness.Config{Servers: []harness.Server{}})
	first := c.AddAgent(t, "s1", harness.Server{Capacity: 5})
	for i := range manyFiles {
		write(t, filepath.Join(first.Home(), "staticfiles", fmt.Sprint(i/100), fmt.Sprint(i)+".js"), bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 5000), 0o644)
	}
	write(t, filepath.Join(first.Home(), "manage.py"), []byte("import os\n"), 0o755)
	write(t, filepath.Join(first.Home(), "omflow", "settings.py"), fmt.Appendf(nil, settingsText, first.Home()), 0o644)
	write(t, filepath.Join(first.Home(), "uploads", "omformflow", "1", "附件.txt"), []byte("an attachment"), 0o644)
	first.Start(t)
	c.WaitUp(t, 1)
	return c, newest(t, c)
}

func write(t *testing.T, file string, text []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, mode); err != nil {
		t.Fatal(err)
	}
}

// sameCode returns an error if a server lacks any of another's code.
func sameCode(of, on *harness.Node) error {
	return filepath.WalkDir(of.Home(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(of.Home(), path)
		if err != nil {
			return err
		}
		if d.IsDir() && (name == "uploads" || name == "logs" || d.Name() == "__pycache__") {
			return filepath.SkipDir
		}
		if d.IsDir() || name == "omflow/settings.py" || strings.HasSuffix(name, ".log") {
			return nil
		}
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := os.Stat(filepath.Join(on.Home(), name))
		if err != nil {
			return err
		}
		if was, err := d.Info(); err != nil || was.Mode().Perm()&0o100 != info.Mode().Perm()&0o100 {
			return fmt.Errorf("%s: mode %s, not %s: %w", name, info.Mode(), was.Mode(), err)
		}
		return holds(on, name, string(want))
	})
}

// serves reports whether something listens at a server's address.
func serves(n *harness.Node) bool {
	c, err := net.Dial("tcp", n.Server)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// Two servers of which nothing is there but a name, a key and the boosters come into the
// cluster side by side: with the code, settings of their own, the attachments and the
// first one's options, and serve.
func TestNewServers(t *testing.T) {
	t.Parallel()
	c, release := settled(t)
	first := c.Agents[0]
	s2, s3 := c.AddNew(t, "s2"), c.AddNew(t, "s3")
	begun := time.Now()
	s2.Start(t)
	s3.Start(t)
	c.WaitUp(t, 3)
	t.Logf("both were up after %s", time.Since(begun))
	for _, n := range []*harness.Node{s2, s3} {
		if err := sameCode(first, n); err != nil {
			t.Error(err)
		}
		if err := holds(n, "omflow/settings.py", fmt.Sprintf(settingsText, n.Home())); err != nil {
			t.Error(err)
		}
		info, err := os.Stat(filepath.Join(n.Home(), "omflow", "settings.py"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("settings.py on %s: %v, %v", n.Name, info.Mode(), err)
		}
		harness.Wait(t, time.Minute, "the attachment is on "+n.Name, func() error { return holds(n, "uploads/omformflow/1/附件.txt", "an attachment") })
		// Its secrets are in no log.
		for _, secret := range []string{"e2e-5ecret", "e2e-passw0rd"} {
			for _, log := range []string{n.Log(), first.Log()} {
				if strings.Contains(log, secret) {
					t.Errorf("a log has the secret %s", secret)
				}
			}
		}
	}
	status, err := c.Booster.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range status.Servers {
		if s.Capacity != 5 || s.Release != release {
			t.Errorf("server %+v", s)
		}
	}
	if out := c.Booster.Command(t, "releases", "show", fmt.Sprint(release+1)); out.Code != 1 {
		t.Errorf("the new servers made a release:\n%s%s", out.Stdout, out.Stderr)
	}
	if lead := c.Lead(); lead != first {
		t.Errorf("the lead server is %v", lead)
	}
	// A reload leaves them alone.
	pid := c.ServerPIDs(t)["s2"]
	s2.Reload(t)
	c.WaitUp(t, 3)
	if now := c.ServerPIDs(t)["s2"]; now != pid {
		t.Errorf("after a reload process %d became %d", pid, now)
	}

	// They take requests, and what is saved on one of them reaches the others.
	save(t, s3, "omflow/patched.py", "# from a new server\n")
	released(t, c, release+1)
	if err := sameCode(s3, first); err != nil {
		t.Error(err)
	}

	// Their agents need nobody to start them again.
	for _, n := range []*harness.Node{first, s2, s3} {
		n.Stop(t)
	}
	s2.Start(t)
	c.Agents = []*harness.Node{s2, s3}
	harness.Wait(t, harness.StartTime, "s2 is up alone", func() error {
		if !serves(s2) {
			return errors.New("nobody listens there")
		}
		return nil
	})
	s3.Start(t)
	first.Start(t)
	c.Agents = []*harness.Node{first, s2, s3}
	c.WaitUp(t, 3)
}

// A new server's agent is killed again and again while it arrives, and so is the only
// one that it can take anything from: it goes on, and never starts its server on less
// than all of the code.
func TestNewServerKilled(t *testing.T) {
	t.Parallel()
	c, _ := settled(t)
	first := c.Agents[0]
	s2 := c.AddNew(t, "s2")
	kills := 0
	for wait := 150 * time.Millisecond; kills < 20; wait += 100 * time.Millisecond {
		s2.Start(t)
		if kills == 4 {
			first.Kill() // in the middle of what it sends
			first.Start(t)
		}
		up := false
		for end := time.Now().Add(wait + rand.N(100*time.Millisecond)); time.Now().Before(end) && !up; time.Sleep(5 * time.Millisecond) {
			up = serves(s2)
		}
		if up {
			break
		}
		s2.Kill()
		kills++
	}
	if kills < 3 {
		t.Errorf("it was there after %d kills: they came too late to show anything", kills)
	}
	if s2.Ended() {
		s2.Start(t)
	}
	harness.Wait(t, harness.StartTime, "s2 listens", func() error {
		if !serves(s2) {
			return errors.New("nobody listens there")
		}
		return nil
	})
	if err := sameCode(first, s2); err != nil {
		t.Errorf("it was started before all was there: %v", err)
	}
	c.WaitUp(t, 2)
}

// A folder that holds something else is left as it is, and the status says why nothing
// comes of it; when it has been emptied, the server arrives.
func TestNewServerElsewhere(t *testing.T) {
	t.Parallel()
	c, _ := settled(t)
	s2 := c.AddNew(t, "s2")
	other := strings.ReplaceAll(settingsText, "e2e-5ecret", "another-cluster")
	write(t, filepath.Join(s2.Home(), "omflow", "settings.py"), fmt.Appendf(nil, other, s2.Home()), 0o600)
	s2.Start(t)
	harness.Wait(t, harness.StartTime, "the status says why", func() error {
		status, err := c.Booster.Status()
		if err != nil {
			return err
		}
		for _, s := range status.Servers {
			if s.Name == "s2" && strings.Contains(s.Reason, "another SECRET_KEY") {
				return nil
			}
		}
		return fmt.Errorf("servers: %+v", status.Servers)
	})
	if err := holds(s2, "omflow/settings.py", fmt.Sprintf(other, s2.Home())); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(s2.Home()); err != nil || len(entries) != 1 {
		t.Errorf("the folder was written to: %v, %v", entries, err)
	}
	s2.Reload(t) // the new configuration's arrival goes on where the old one's ended
	if err := os.RemoveAll(s2.Home()); err != nil {
		t.Fatal(err)
	}
	c.WaitUp(t, 2)
}
