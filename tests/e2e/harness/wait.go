//go:build linux

package harness

import (
	"fmt"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/ports"
)

const pollPeriod = 20 * time.Millisecond

// Wait polls until ok returns nil, and fails the test with its last error when
// that takes longer than limit. On a machine that stood still meanwhile it looks once
// more.
func Wait(t testing.TB, limit time.Duration, what string, ok func() error) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			if err := ok(); err != nil {
				t.Fatalf("%s: not within %s: %v", what, limit, err)
			}
			return
		}
	}
}

// Hold polls for the whole time and fails the test as soon as ok returns an error.
func Hold(t testing.TB, period time.Duration, what string, ok func() error) {
	t.Helper()
	over := time.After(period)
	tick := time.NewTicker(pollPeriod)
	defer tick.Stop()
	for {
		if err := ok(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-tick.C:
		case <-over:
			return
		}
	}
}

// FreeAddress returns a loopback address whose port is free, see ports.Free.
func FreeAddress(t testing.TB) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}
