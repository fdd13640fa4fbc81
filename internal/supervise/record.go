package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// record is what server.pid says of the running process. Start and Boot come
// from the kernel and tell a process from a later one with the same pid.
type record struct {
	PID     int    `json:"pid"`
	Start   uint64 `json:"start"`             // clock ticks after boot, proc_pid_stat(5) field 22
	Session int    `json:"session,omitempty"` // session id; 0: not known
	Boot    string `json:"boot"`              // /proc/sys/kernel/random/boot_id
	Hash    string `json:"command"`           // Config.hash
	Stamp   string `json:"stamp,omitempty"`   // Config.Stamp, when it was started
}

const maxRecord = 4 << 10

func recordPath(stateDir string) string { return filepath.Join(stateDir, "server.pid") }

// save replaces the record in one step. It is not synced to the platter: after
// a power failure the process it speaks of is gone as well.
func (r record) save(stateDir string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode server.pid: %w", err)
	}
	path := recordPath(stateDir)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write server.pid: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replace server.pid: %w", err)
	}
	return nil
}

// loadRecord reads the record; ok is false when there is none.
func loadRecord(stateDir string) (r record, ok bool, err error) {
	f, err := os.Open(recordPath(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, fmt.Errorf("open server.pid: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil {
		return record{}, false, fmt.Errorf("read server.pid: %w", err)
	}
	if r, err = parseRecord(data); err != nil {
		return record{}, false, fmt.Errorf("read server.pid: %w", err)
	}
	return r, true, nil
}

// Left tells whether the process on record in c.StateDir, which may have ended by now, was
// started as c would start one: with the same Command, Dir and environment. It may be
// called by anyone, also while another Supervisor has StateDir.
func (c Config) Left() bool {
	r, ok, err := loadRecord(c.StateDir)
	return ok && err == nil && r.Hash == c.hash()
}

// Recorded returns the pid of the process on record in stateDir, if it lives, and 0 when
// there is none. It may be called by anyone, also while a Supervisor has stateDir, and may
// fail for want of rights. On systems where nothing is written down it fails with
// errors.ErrUnsupported.
func Recorded(stateDir string) (pid int, err error) {
	if !canAdopt {
		return 0, fmt.Errorf("on this system no server is written down: %w", errors.ErrUnsupported)
	}
	r, ok, err := loadRecord(stateDir)
	if !ok || err != nil {
		return 0, err
	}
	switch err := r.lives(); {
	case errors.Is(err, errGone):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("look for process %d of server.pid: %w", r.PID, err)
	}
	return r.PID, nil
}

func parseRecord(data []byte) (record, error) {
	var r record
	if len(data) > maxRecord {
		return r, fmt.Errorf("it has more than %d bytes", maxRecord)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, err
	}
	// pid 1 and below would make a signal to the "group" one to everybody
	// (kill(2)).
	if r.PID < 2 || r.PID > 1<<30 || r.Start == 0 || r.Boot == "" {
		return record{}, fmt.Errorf("pid %d, start %d, boot %q identify no process", r.PID, r.Start, r.Boot)
	}
	if len(r.Stamp) > maxStamp {
		return record{}, fmt.Errorf("its stamp has %d bytes, more than %d", len(r.Stamp), maxStamp)
	}
	return r, nil
}

func removeRecord(stateDir string) error {
	if err := os.Remove(recordPath(stateDir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove server.pid: %w", err)
	}
	return nil
}
