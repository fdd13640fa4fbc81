//go:build !linux

package boottime

import "time"

var began = time.Now()

// Now returns the time since the process was started. It may be called
// concurrently.
func Now() time.Duration { return time.Since(began) }
