//go:build linux

package e2e

import (
	"fmt"

	"github.com/omflow/booster/tests/e2e/harness"
)

func atLeast(n, want int) error {
	if n < want {
		return fmt.Errorf("%d of %d", n, want)
	}
	return nil
}

// on returns the sessions that are on a server.
func on(sessions []*harness.Session, server string) []*harness.Session {
	var there []*harness.Session
	for _, s := range sessions {
		if s.On == server {
			there = append(there, s)
		}
	}
	return there
}

func countUnknown(records []harness.Record) int {
	n := 0
	for _, r := range records {
		if r.OutcomeUnknown() {
			n++
		}
	}
	return n
}
