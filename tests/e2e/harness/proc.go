//go:build linux

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/procfs"
)

// processes returns the running processes for which match is true.
func processes(match func(folder string) bool) []int {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil // the pattern is right
	}
	var pids []int
	for _, folder := range folders {
		if pid, err := strconv.Atoi(filepath.Base(folder)); err == nil && match(folder) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// ProcessesOf returns the processes that were started with dir, or a folder in it,
// as their data folder, and their children.
func ProcessesOf(dir string) []int {
	return processes(func(folder string) bool {
		environ, err := os.ReadFile(filepath.Join(folder, "environ")) // of a dead process it is empty
		if err != nil {
			return false
		}
		for variable := range strings.SplitSeq(string(environ), "\x00") {
			if data, ok := strings.CutPrefix(variable, dataVariable); ok && (data == dir || strings.HasPrefix(data, dir+"/")) {
				return true
			}
		}
		return false
	})
}

// listening returns the stand-in that serves at the address, or 0.
func listening(address string) int {
	pids := processes(func(folder string) bool {
		line, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		if err != nil {
			return false
		}
		args := strings.Split(string(line), "\x00")
		i := slices.Index(args, "--listen")
		return slices.Contains(args, "stand-in") && i >= 0 && i+1 < len(args) && args[i+1] == address
	})
	if len(pids) == 0 {
		return 0
	}
	return pids[0]
}

// Alive reports whether the process runs or is stopped; a dead one that nobody
// has waited for yet is not alive.
func Alive(pid int) bool {
	stat, err := procfs.ReadStat(pid)
	return err == nil && !stat.Ended()
}

// Memory is what a process has in memory, in bytes.
type Memory struct {
	// Own is its heap and stacks.
	Own int64
	// Resident is that and the pages of the program's file, of which the kernel maps more
	// than are used.
	Resident int64
}

// MemoryOf returns the memory of a process.
func MemoryOf(t testing.TB, pid int) (m Memory) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatalf("read the process's memory: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kilobytes); n == 1 {
			m.Resident = kilobytes << 10
		}
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kilobytes); n == 1 {
			m.Own = kilobytes << 10
		}
	}
	if m.Own == 0 || m.Resident == 0 {
		t.Fatalf("the memory of process %d is not told:\n%s", pid, status)
	}
	return m
}
