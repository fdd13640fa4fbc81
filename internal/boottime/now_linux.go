package boottime

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now returns the time since the machine was started. It may be called
// concurrently.
func Now() time.Duration {
	var ts unix.Timespec
	// clock_gettime(2) fails only for a clock that is not there, and this one
	// came with Linux 2.6.39, long before what Go runs on.
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("boottime: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
