package pair

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

// maxStored bounds the file; it has some 700 bytes.
const maxStored = 16 << 10

func storePath(stateDir string) string { return filepath.Join(stateDir, "pair.json") }

// load reads what was saved; the zero value when nothing was. A file that can't
// be read is an error and not taken for an absent one: a term that was used
// might be used again.
func load(stateDir string) (saved, error) {
	f, err := os.Open(storePath(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return saved{}, nil
	}
	if err != nil {
		return saved{}, fmt.Errorf("open pair state: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStored+1))
	if err != nil {
		return saved{}, fmt.Errorf("read pair state: %w", err)
	}
	s, err := parseSaved(data)
	if err != nil {
		return saved{}, fmt.Errorf("read pair state %s: %w; if the other booster is active, remove the file", f.Name(), err)
	}
	return s, nil
}

func parseSaved(data []byte) (saved, error) {
	var s saved
	if len(data) > maxStored {
		return saved{}, fmt.Errorf("it has more than %d bytes", maxStored)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return saved{}, err
	}
	if s.Term > maxTerm || s.Reserved > maxTerm || s.Witnesses.Term > maxTerm || s.Before.Term > maxTerm {
		return saved{}, errors.New("a term is out of range")
	}
	if err := errors.Join(s.Witnesses.validate(), s.Before.validate()); err != nil {
		return saved{}, err
	}
	return s, nil
}

// store replaces what was saved in one step, and returns when it is on the
// disk.
func store(stateDir string, s saved) error {
	data, err := json.Marshal(s)
	if err == nil {
		err = durable.WriteFile(storePath(stateDir), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("save pair state: %w", err)
	}
	return nil
}
