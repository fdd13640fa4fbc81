package agent

import (
	"fmt"
	"net"
	"os"
	"time"
)

// stopMargin is what the end of an agent may take beside stop_grace: what it has begun,
// the lease that is given back, the other nodes that are told. The unit's TimeoutStopSec
// of 60 s is the default stop_grace and this.
const stopMargin = 20 * time.Second

// extendStop has systemd wait for the end of this service for that long from now on, where
// its unit's TimeoutStopSec is shorter (EXTEND_TIMEOUT_USEC of sd_notify(3), since systemd
// 236). It would kill the agent else, and leave the server running that was to be stopped.
// Where the service manager is another one, there is nothing to do.
func extendStop(d time.Duration) error {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("ask systemd for more time: %w", err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "EXTEND_TIMEOUT_USEC=%d\n", d.Microseconds()); err != nil {
		return fmt.Errorf("ask systemd for more time: %w", err)
	}
	return nil
}
