package agent

import "github.com/omflow/booster/internal/procfs"

// startOf returns what tells a process from a later one of the same number.
func startOf(pid int) (uint64, error) {
	stat, err := procfs.ReadStat(pid)
	return stat.Start, err
}
