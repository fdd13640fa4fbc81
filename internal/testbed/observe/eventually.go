package observe

import (
	"testing"
	"time"
)

const (
	// Patience is how long Eventually and Succeeds wait. Under the race detector, on two
	// cores with thirty others that want to run, what takes milliseconds on a quiet
	// machine was seen to take up to ten seconds.
	Patience = 30 * time.Second

	// pause is the time between two looks.
	pause = 2 * time.Millisecond
)

// Eventually polls until ok returns true. When that is not so after Patience, it ends the
// test with what, which names the state that is waited for. It is to be called by the
// test's own goroutine.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !ok(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", Patience, what)
		}
	}
}

// Succeeds polls until f returns nil. When it does not within Patience, Succeeds ends the
// test with what and f's last error. It is to be called by the test's own goroutine.
func Succeeds(t testing.TB, what string, f func() error) {
	t.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(pause) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s: %v", Patience, what, err)
		}
	}
}
