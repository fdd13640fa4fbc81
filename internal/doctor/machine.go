package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"github.com/omflow/booster/internal/release/disk"
)

const (
	// minFree is the least free space, in bytes, in a folder where releases lie. All of
	// OMFLOW 1.1.0.0 takes 80 MB, and while a release of it is applied it is there as
	// it was, as it will be, and in the store: twice that.
	minFree = 512 << 20

	// minOpen is the least number of open files for a booster: 4096 requests may wait in
	// each lane by default. That many sessions and flow requests, and as many idle
	// connections of the users' again, have a file each.
	minOpen = 4 * 4096
)

// Machine checks what a node needs of the machine it is on.
type Machine struct {
	// StateDir is the node's own folder; it need not be there yet.
	StateDir string
	// Home is an OMFLOW Server's folder, empty where there is none.
	Home string
	// Booster says that users' connections come here.
	Booster bool
	// Alone says that the whole cluster is on this machine, so that there is no other
	// clock to differ from.
	Alone bool

	// System is the operating system. Default: this machine's.
	System System
}

// System is what is asked of the operating system. Its errors may wrap
// errors.ErrUnsupported where a system cannot tell.
type System struct {
	// Free returns the bytes that this user may still write in a folder.
	Free func(folder string) (uint64, error)
	// OpenFiles returns how many files a process of this user may have open.
	OpenFiles func() (uint64, error)
	// ClockSynced reports whether the clock is set by others.
	ClockSynced func() (bool, error)
	// Watches returns how many folders of the machine a user may watch.
	Watches func() (uint64, error)
}

func (s System) withDefaults() System {
	if s.Free == nil {
		s.Free = freeSpace
	}
	if s.OpenFiles == nil {
		s.OpenFiles = openFiles
	}
	if s.ClockSynced == nil {
		s.ClockSynced = clockSynced
	}
	if s.Watches == nil {
		s.Watches = maxWatches
	}
	return s
}

// Checks returns the checks.
func (m Machine) Checks() []Check {
	system := m.System.withDefaults()
	now := func(name string, f func() Result) Check {
		return Check{Name: name, Run: func(context.Context) Result { return f() }}
	}
	checks := []Check{
		now("state_dir", func() Result { return writable(m.StateDir) }),
		now("state_dir space", func() Result { return space(system, m.StateDir) }),
	}
	if m.Home != "" {
		checks = append(checks, now("home space", func() Result { return space(system, m.Home) }))
	}
	if m.Booster {
		checks = append(checks, now("open files", func() Result { return enoughFiles(system) }))
	}
	return append(checks, now("system clock", func() Result {
		if m.Alone {
			return skipped("the whole cluster is on this machine")
		}
		return synced(system)
	}))
}

// existing returns the folder, or the nearest one above it that is there.
func existing(folder string) (string, error) {
	for {
		info, err := os.Stat(folder)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("%s is no folder", folder)
		case err == nil:
			return folder, nil
		case !errors.Is(err, fs.ErrNotExist) || filepath.Dir(folder) == folder:
			return "", err
		}
		folder = filepath.Dir(folder)
	}
}

// writable checks that a file can be made in the folder, or in the one in which it will
// be made.
func writable(folder string) Result {
	const advice = "give it to the user that the service runs as; this check has to run as that user"
	there, err := existing(folder)
	if err != nil {
		return failed("%v", err).advise("write another `state_dir`")
	}
	f, err := os.CreateTemp(there, ".omflow-doctor-*")
	if err != nil {
		return failed("%v", err).advise(advice)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return failed("%v", err).advise(advice)
	}
	if there != folder {
		return ok("%s will be made in %s", folder, there)
	}
	return ok("%s can be written", folder)
}

// freeSpace asks for what this user may still write on a folder's disk.
func freeSpace(folder string) (uint64, error) {
	f, err := disk.Open(folder)
	if err != nil {
		return 0, err
	}
	free, err := f.Free("look for space")
	return free, errors.Join(err, f.Close())
}

func space(s System, folder string) Result {
	there, err := existing(folder)
	if err != nil {
		return skipped("%v", err)
	}
	free, err := s.Free(there)
	if err != nil {
		return skipped("%v", err)
	}
	if free < minFree {
		return failed("%s are free on the disk of %s", humanize.IBytes(free), there).advise("free at least %s", humanize.IBytes(minFree))
	}
	return ok("%s are free", humanize.IBytes(free))
}

func enoughFiles(s System) Result {
	n, err := s.OpenFiles()
	if err != nil {
		return skipped("%v", err)
	}
	if n < minOpen {
		return failed("a process may have %d open, and each connection is one", n).
			advise("allow at least %d: LimitNOFILE=1048576 in the systemd unit, `ulimit -n` in a shell", minOpen)
	}
	return ok("a process started here may have %d", n)
}

func synced(s System) Result {
	set, err := s.ClockSynced()
	if err != nil {
		return skipped("%v", err)
	}
	if !set {
		return failed("nothing keeps this machine's clock right").advise("install chrony, or have it done by systemd-timesyncd: `timedatectl set-ntp true`")
	}
	return ok("it is kept right")
}
