//go:build linux

package supervise

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/omflow/booster/internal/testbed/observe"
)

// TestStamp: a process keeps what was so just before it was started, and the next one has
// what was so before its own start.
func TestStamp(t *testing.T) {
	var stamps atomic.Int64
	s, _ := supervisor(t, t.TempDir(), func(c *Config) {
		c.Stamp = func() string { return strings.Repeat("s", int(stamps.Add(1))) }
	}, "serve")
	if got := s.State(); got.Stamp != "" {
		t.Errorf("without a process: %+v", got)
	}
	s.Start()
	first := s.State()
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := waitNext(t, s, first.PID)
	if err := s.Restart(within(t)); err != nil {
		t.Fatal(err)
	}
	third := s.State()
	if first.Stamp != "s" || second.Stamp != "ss" || third.Stamp != "sss" {
		t.Errorf("stamps %q, %q, %q", first.Stamp, second.Stamp, third.Stamp)
	}
	stamps.Store(maxStamp)
	if err := s.Restart(within(t)); err != nil {
		t.Fatal(err)
	}
	if got := s.State(); got.State != Running || got.Stamp != "" {
		t.Errorf("one that is too long: %d bytes", len(got.Stamp))
	}
}

// waitNext waits for another process than that of the pid.
func waitNext(t *testing.T, s *Supervisor, pid int) (got Status) {
	t.Helper()
	observe.Eventually(t, "another process", func() bool {
		got = s.State()
		return got.State == Running && got.PID != pid
	})
	return got
}
