//go:build linux

package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

const pollPeriod = 20 * time.Millisecond

// Wait polls until ok returns nil, and fails the test with its last error when
// that takes longer than limit.
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
			t.Fatalf("%s: not within %s: %v", what, limit, err)
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

var (
	portMu sync.Mutex
	given  = map[int]bool{}
)

// FreeAddress returns a loopback address whose port is free for TCP and UDP. It
// lies below the ports that the kernel gives to outgoing connections, so that it
// stays free until it is used, and no two calls return the same.
func FreeAddress(t testing.TB) string {
	t.Helper()
	const first, last = 15000, 32000
	portMu.Lock()
	defer portMu.Unlock()
	for range 1000 {
		port := first + rand.IntN(last-first)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		if given[port] || !free(address) {
			continue
		}
		given[port] = true
		return address
	}
	t.Fatal("there is no free port")
	return ""
}

func free(address string) bool {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	defer udp.Close()
	return true
}
