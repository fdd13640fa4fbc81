//go:build linux

package agent

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/internal/testbed/observe"
)

// TestStopIsGivenTime: systemd hears how long the end of the server may take before the
// agent waits for it.
func TestStopIsGivenTime(t *testing.T) {
	dir, err := os.MkdirTemp("", "notify") // a socket's path has about 100 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", socket)

	const grace = 3 * time.Minute
	b := newBed(t)
	a := b.agent(func(a *Agent) { a.StopGrace = caddy.Duration(grace) })
	b.start(a, nil)
	b.to.wait(t, "up", up)
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := systemd.SetReadDeadline(time.Now().Add(observe.Patience)); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 100)
	n, err := systemd.Read(message)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d\n", (grace + stopMargin).Microseconds()); string(message[:n]) != want {
		t.Errorf("systemd was told %q, not %q", message[:n], want)
	}
}
