package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Stat is what is needed of /proc/<pid>/stat.
type Stat struct {
	// State is the letter of proc_pid_stat(5): R, S, D, T, Z, X and others.
	State byte
	// Group is the process group.
	Group int
	// Threads is how many threads it has, a first one that has ended included.
	Threads int
	// Start is when the process started, in clock ticks after boot.
	Start uint64
}

// Ended says whether nothing is left of the process but its exit status. The state
// is its first thread's alone: the other threads of a process that was killed may
// run on, and hold its ports, for some 10 ms.
func (s Stat) Ended() bool { return (s.State == 'Z' || s.State == 'X') && s.Threads <= 1 }

// ReadStat reads the process pid.
func ReadStat(pid int) (Stat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Stat{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	s, err := ParseStat(data)
	if err != nil {
		return Stat{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return s, nil
}

// ParseStat reads proc_pid_stat(5). The second field is the program's name in
// parentheses, which may itself hold spaces and parentheses.
func ParseStat(data []byte) (Stat, error) {
	i := bytes.LastIndexByte(data, ')')
	if i < 0 {
		return Stat{}, errors.New("stat has no program name")
	}
	fields := strings.Fields(string(data[i+1:])) // from the third field on
	if len(fields) < 20 || len(fields[0]) != 1 {
		return Stat{}, errors.New("stat is too short")
	}
	group, err := strconv.Atoi(fields[2])
	if err != nil {
		return Stat{}, fmt.Errorf("stat: process group: %w", err)
	}
	threads, err := strconv.Atoi(fields[17])
	if err != nil {
		return Stat{}, fmt.Errorf("stat: number of threads: %w", err)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return Stat{}, fmt.Errorf("stat: start time: %w", err)
	}
	return Stat{State: fields[0][0], Group: group, Threads: threads, Start: start}, nil
}

// GroupLives tells whether the process group has a member that is more than a
// zombie. Zombies hold no port, and process 1 of a container may take seconds
// to reap them. Where /proc can't be listed it says yes.
func GroupLives(group int) bool {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return true
	}
	for _, entry := range procs {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := ReadStat(pid); err == nil && stat.Group == group && !stat.Ended() {
			return true
		}
	}
	return false
}

// BootID returns the id that the kernel has given itself at this boot, and ""
// if it can't be read.
func BootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
