package doctor

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// clockSynced asks the kernel, which the programs that set a clock keep informed: see
// STA_UNSYNC in adjtimex(2).
func clockSynced() (bool, error) {
	state, err := unix.Adjtimex(new(unix.Timex))
	if err != nil {
		return false, fmt.Errorf("ask for the clock's state: %w", err)
	}
	return state != unix.TIME_ERROR, nil
}

func maxWatches() (uint64, error) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_user_watches")
	if err != nil {
		return 0, fmt.Errorf("ask for the limit of watches: %w", err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the limit of watches: %w", err)
	}
	return n, nil
}
