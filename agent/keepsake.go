package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/omflow/booster/internal/boottime"
	"github.com/omflow/booster/internal/rollout"
)

// keepsake is what the next agent must know of a process that outlives this one.
type keepsake struct {
	PID  int          `json:"pid"`
	Part rollout.Part `json:"part"`
	// Grant and Until are the lead's: Until is by boottime, in nanoseconds. One of
	// another boot speaks of no process that lives.
	Grant uint64        `json:"grant,omitempty"`
	Until time.Duration `json:"until,omitempty"`
}

// maxKeepsake bounds the file, in bytes.
const maxKeepsake = 4 << 10

func keepsakeFile(dir string) string { return filepath.Join(dir, "part.json") }

// save writes the keepsake. It is not synced: after a power failure the process that
// it speaks of is gone, too.
func (k keepsake) save(dir string) error {
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("write down what the server runs as: %w", err)
	}
	file := keepsakeFile(dir)
	if err := os.WriteFile(file+".tmp", b, 0o600); err != nil {
		return fmt.Errorf("write down what the server runs as: %w", err)
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		return fmt.Errorf("write down what the server runs as: %w", err)
	}
	return nil
}

// loadKeepsake reads the keepsake; ok is false when there is none.
func loadKeepsake(dir string) (k keepsake, ok bool, err error) {
	f, err := os.Open(keepsakeFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return keepsake{}, false, nil
	}
	if err != nil {
		return keepsake{}, false, fmt.Errorf("read what the server ran as: %w", err)
	}
	defer f.Close()
	b := make([]byte, maxKeepsake)
	n, err := f.Read(b)
	if err != nil {
		return keepsake{}, false, fmt.Errorf("read what the server ran as: %w", err)
	}
	if err := json.Unmarshal(b[:n], &k); err != nil {
		return keepsake{}, false, fmt.Errorf("read what the server ran as: %s: %w", f.Name(), err)
	}
	return k, true, nil
}

// left is how long the lead's lease lasts from now on, by the keepsake.
func (k keepsake) left() time.Duration { return k.Until - boottime.Now() }

// remember writes down what a follower's process runs as, for the next agent.
func (m *monitor) remember() {
	k := keepsake{PID: m.process.PID, Part: rollout.Follower}
	if err := k.save(m.dir); err != nil {
		m.log.Warn("another agent would not know what this server runs as", "error", err)
	}
}
