package agent

import (
	"os/exec"
	"testing"
	"time"

	"github.com/omflow/booster/internal/supervise"
)

// Since when an adopted process runs does not depend on what the wall clock showed then.
func TestAdoptedSince(t *testing.T) {
	before := time.Now()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	status := supervise.Status{PID: cmd.Process.Pid, Adopted: true}
	for _, step := range []time.Duration{-time.Hour, 0, time.Hour} {
		status.Since = before.Round(0).Add(step)
		got := sinceBoot(time.Now(), supervise.Status{}, status)
		if slack := 5 * clockTick; got.Before(before.Add(-slack)) || got.After(after.Add(slack)) {
			t.Errorf("clock set by %s: %s after its start", -step, got.Sub(before))
		}
		if again := sinceBoot(time.Now(), supervise.Status{PID: status.PID, Since: got, Adopted: true}, status); !again.Equal(got) {
			t.Errorf("at the next look it is another time, by %s", again.Sub(got))
		}
	}
	mine := supervise.Status{PID: status.PID, Since: before}
	if got := sinceBoot(time.Now(), supervise.Status{}, mine); !got.Equal(before) {
		t.Errorf("one that was not adopted: %s", got.Sub(before))
	}
}
