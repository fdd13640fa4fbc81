//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omflow/booster/tests/e2e/harness"
)

// The demo serves, says what to try, and leaves nothing behind after Ctrl-C.
func TestDemo(t *testing.T) {
	needProgram(t)
	dir := t.TempDir()
	files := filepath.Join(dir, "demo")
	listen, admin := harness.FreeAddress(t), harness.FreeAddress(t)
	demo := harness.StartProcess(t, program, dir, "demo", "omflow", "demo", "--listen", listen, "--admin", admin, "--dir", files)
	t.Cleanup(func() { demo.Stop(t) })
	harness.Wait(t, 90*time.Second, "the demo is up", func() error {
		if demo.Ended() {
			t.Fatalf("the demo ended with %d: %s", demo.Code(), demo.Log())
		}
		if !strings.Contains(demo.Log(), "Ctrl-C stops everything") {
			return fmt.Errorf("it says %q", demo.Log())
		}
		return nil
	})
	for _, text := range []string{
		"curl -s http://" + admin + "/omflow/status", // browsers are refused there
		"curl -s http://" + admin + "/metrics",
		"releases rollback 1 --address " + admin,
	} {
		if !strings.Contains(demo.Log(), text) {
			t.Errorf("the demo does not tell %q", text)
		}
	}
	for _, address := range []string{"http://" + listen + "/accounts/login/", "http://" + admin + "/omflow/status"} {
		if !strings.Contains(demo.Log(), strings.TrimSuffix(address, "accounts/login/")) {
			t.Errorf("the demo does not tell of %s", address)
		}
		resp, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body) // the code is what counts
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: HTTP %d", address, resp.StatusCode)
		}
	}
	// A database, a booster, three agents with a server each, and the guard of the lead.
	harness.Wait(t, time.Minute, "the demo's processes", func() error { return processes(files, 9) })
	demo.Signal(os.Interrupt)
	harness.Wait(t, time.Minute, "the demo ends", func() error {
		if !demo.Ended() {
			return fmt.Errorf("it says %q", demo.Log())
		}
		return nil
	})
	if code := demo.Code(); code != 0 {
		t.Errorf("the demo ended with %d: %s", code, demo.Log())
	}
	for _, pid := range harness.ProcessesOf(files) {
		t.Errorf("process %d was left behind", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// processes returns an error unless so many processes belong to a folder. For a moment it
// may be one more: one that is just being started looks like the one that starts it.
func processes(dir string, want int) error {
	if pids := harness.ProcessesOf(dir); len(pids) != want {
		return fmt.Errorf("there are %d, not %d: %v", len(pids), want, pids)
	}
	return nil
}
