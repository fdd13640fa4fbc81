//go:build !unix

package gossip

import "time"

// cpuTime is only known on Unix.
func cpuTime() time.Duration { return 0 }
