package doctor

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/omflow/booster/internal/pair/vip"
	"github.com/omflow/booster/internal/watch"
)

// fake is a system that is well, until something of it is changed.
func fake(change func(*System)) System {
	s := System{
		Free:        func(string) (uint64, error) { return minFree, nil },
		OpenFiles:   func() (uint64, error) { return minOpen, nil },
		ClockSynced: func() (bool, error) { return true, nil },
		Watches:     func() (uint64, error) { return 6, nil },
	}
	if change != nil {
		change(&s)
	}
	return s
}

func TestMachine(t *testing.T) {
	cannot := errors.ErrUnsupported
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "a", "b")
	for name, tt := range map[string]struct {
		check   string
		machine Machine
		want    verdict
	}{
		"well":          {"state_dir", Machine{StateDir: dir}, good("can be written")},
		"not yet":       {"state_dir", Machine{StateDir: none}, good(none + " will be made in " + dir)},
		"a file":        {"state_dir", Machine{StateDir: file}, ill("is no folder", "another `state_dir`")},
		"in a file":     {"state_dir", Machine{StateDir: filepath.Join(file, "x")}, ill("not a directory", "another `state_dir`")},
		"space":         {"state_dir space", Machine{StateDir: none, System: fake(nil)}, good("512 MiB are free")},
		"full":          {"state_dir space", Machine{StateDir: none, System: fake(func(s *System) { s.Free = func(string) (uint64, error) { return minFree - 1<<20, nil } })}, ill("511 MiB are free on the disk of "+dir, "at least 512 MiB")},
		"home is full":  {"home space", Machine{Home: dir, System: fake(func(s *System) { s.Free = func(string) (uint64, error) { return 0, nil } })}, ill("0 B are free")},
		"silent disk":   {"state_dir space", Machine{StateDir: dir, System: fake(func(s *System) { s.Free = func(string) (uint64, error) { return 0, cannot } })}, unknown("unsupported")},
		"no disk":       {"state_dir space", Machine{StateDir: file}, unknown("is no folder")},
		"files":         {"open files", Machine{Booster: true, System: fake(nil)}, good("may have 16384")},
		"few files":     {"open files", Machine{Booster: true, System: fake(func(s *System) { s.OpenFiles = func() (uint64, error) { return 1024, nil } })}, ill("may have 1024 open", "LimitNOFILE")},
		"no limit":      {"open files", Machine{Booster: true, System: fake(func(s *System) { s.OpenFiles = func() (uint64, error) { return 0, cannot } })}, unknown("unsupported")},
		"clock":         {"system clock", Machine{System: fake(nil)}, good("kept right")},
		"free clock":    {"system clock", Machine{System: fake(func(s *System) { s.ClockSynced = func() (bool, error) { return false, nil } })}, ill("nothing keeps", "timedatectl")},
		"unknown clock": {"system clock", Machine{System: fake(func(s *System) { s.ClockSynced = func() (bool, error) { return false, cannot } })}, unknown("unsupported")},
		"alone":         {"system clock", Machine{Alone: true}, unknown("on this machine")},
	} {
		tt.want.hold(t, name, result(t, tt.machine.Checks(), tt.check))
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the checks leave %v, %v", entries, err)
	}
}

// TestNotOurs: a folder of another user.
func TestNotOurs(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("root writes everywhere, and Windows has other rights")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	ill("permission denied", "user that the service runs as").hold(t, "state_dir", writable(dir))
}

// TestThisMachine: this system has an answer to each question, or says that it has none.
func TestThisMachine(t *testing.T) {
	s := System{}.withDefaults()
	if n, err := s.Free(t.TempDir()); err != nil || n == 0 {
		t.Errorf("%d bytes are free, %v", n, err)
	}
	if _, err := s.Free(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there has space")
	}
	if n, err := s.OpenFiles(); (err != nil || n == 0) && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%d open files, %v", n, err)
	}
	if _, err := s.ClockSynced(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("the clock's state: %v", err)
	}
	if n, err := s.Watches(); (err != nil || n == 0) && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%d watches, %v", n, err)
	}
}

func TestWatches(t *testing.T) {
	dir := t.TempDir() // with itself six folders
	for _, folder := range []string{"a/b", "a/logs/c", "d"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(folder)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "a", "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	all := []Tree{{Folder: dir}}
	no := func(patterns ...string) []Tree { return []Tree{{dir, watch.Rules{Exclude: patterns}}} }
	limit := func(n uint64, err error) System {
		return fake(func(s *System) { s.Watches = func() (uint64, error) { return n, err } })
	}
	for name, tt := range map[string]struct {
		trees  []Tree
		system System
		want   verdict
	}{
		"enough":       {all, limit(12, nil), good("6 folders, and a limit of 12")},
		"too few":      {all, limit(11, nil), ill("6 folders are to be watched, and the limit is 11", "fs.inotify.max_user_watches=524288")},
		"excluded":     {no("logs/", "/d"), limit(11, nil), good("3 folders")},
		"included":     {[]Tree{{dir, watch.Rules{Include: []string{"/a/b/*.py"}}}}, limit(11, nil), good("3 folders")},
		"two":          {append(no("/a/"), Tree{Folder: filepath.Join(dir, "a")}), limit(12, nil), good("6 folders")},
		"no limit":     {all, limit(0, errors.ErrUnsupported), unknown("unsupported")},
		"not yet":      {append(no("logs/"), Tree{Folder: filepath.Join(dir, "none")}), limit(12, nil), good("4 folders")},
		"below a file": {[]Tree{{Folder: filepath.Join(file, "none")}}, limit(6, nil), unknown("count the folders")},
		"no pattern":   {no("{"), limit(6, nil), unknown("holds a brace")},
	} {
		tt.want.hold(t, name, result(t, Watches{Trees: tt.trees, System: tt.system}.Checks(), "inotify watches"))
	}
}

func TestVirtualIP(t *testing.T) {
	for name, tt := range map[string]struct {
		address string
		opened  error
		closed  error
		want    verdict
	}{
		"well":      {"10.0.0.10/24", nil, nil, good("10.0.0.10/24 eth0 can be taken")},
		"no length": {"10.0.0.10", nil, nil, ill("length of its network", "`virtual_ip 10")},
		"no capability": {"10.0.0.10/24", errors.New("the process lacks the capability CAP_NET_ADMIN"), nil, ill("CAP_NET_ADMIN", "as the service runs",
			`--uid=omflow-booster '--property=AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW' /usr/bin/booster omflow doctor --config 'Bob'\''s file' ''`)},
		"no Linux":     {"10.0.0.10/24", errors.ErrUnsupported, nil, ill("unsupported", "boosters on Linux")},
		"cannot close": {"10.0.0.10/24", nil, errors.New("broken"), ill("broken")},
	} {
		command := []string{"/usr/bin/booster", "omflow", "doctor", "--config", "Bob's file", ""}
		v := VirtualIP{Address: tt.address, Interface: "eth0", Command: command, Open: func(vip.Config) (io.Closer, error) { return closer{tt.closed}, tt.opened }}
		tt.want.hold(t, name, result(t, v.Checks(), "virtual IP"))
	}
	// What the machine says of an interface that no machine has, to this very command.
	ill(filepath.Base(os.Args[0])).hold(t, "no interface", result(t, VirtualIP{Address: "10.0.0.10/24", Interface: "omflow-none"}.Checks(), "virtual IP"))
}
