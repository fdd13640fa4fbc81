package bootstrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/omflow/booster/internal/durable"
)

// maxRecord bounds a Record as JSON, in bytes.
const maxRecord = 1 << 20

// Record is what is remembered of a server's arrival, over restarts of its agent.
type Record struct {
	// Home is the folder that is this cluster's.
	Home string `json:"home"`
	// Server is the server's address, host:port, that Options have.
	Server string `json:"server"`
	// Origin is the server that its settings came from.
	Origin string `json:"origin"`
	// Options are the agent's, this machine's own: they may hold the database's
	// password. There are none until the server has arrived.
	Options json.RawMessage `json:"options,omitempty"`
}

// Arrived reports whether nothing more is needed from others to start the server.
func (r Record) Arrived() bool { return len(r.Options) > 0 }

// recordFile is where a Record is, in a server's state folder.
func recordFile(dir string) string { return filepath.Join(dir, "bootstrap.json") }

// ErrDamaged: the Record can't be read, or is none.
var ErrDamaged = errors.New("the file is damaged")

// Load reads the Record in a server's state folder; the zero Record is none. Of one that
// is damaged the error wraps ErrDamaged; Arrive does without it.
func Load(dir string) (r Record, err error) {
	f, err := os.Open(recordFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, fmt.Errorf("read how the server arrived: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err == nil {
		err = checkHome(r.Home)
	}
	if err != nil {
		return Record{}, fmt.Errorf("read how the server arrived: %s: %w: %w", f.Name(), ErrDamaged, err)
	}
	return r, nil
}

// setAside keeps a damaged Record under another name, for a person to look at.
func setAside(dir string) error {
	file := recordFile(dir)
	if err := os.Rename(file, file+durable.Damaged); err != nil {
		return fmt.Errorf("keep what is damaged of how the server arrived: %w", err)
	}
	return nil
}

// save writes the Record, readable for this user alone.
func (r Record) save(dir string) error {
	b, err := json.Marshal(r)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = durable.WriteFile(recordFile(dir), b)
	}
	if err != nil {
		return fmt.Errorf("write down how the server arrives: %w", err)
	}
	return nil
}
