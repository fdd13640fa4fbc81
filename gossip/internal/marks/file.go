package marks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/omflow/booster/internal/durable"
)

// fileName is the map's file in the state directory.
const fileName = "marks.json"

// maxFile bounds what is read from it: MaxEntries of the longest entries, each
// byte of which JSON may write as six, and their frame.
const maxFile = MaxEntries * (6*(MaxKey+MaxValue+maxWriter) + 128)

// file is marks.json.
type file struct {
	Format int `json:"format"`
	// Seen is when this node was last known to run.
	Seen time.Time `json:"seen"`
	// Away and Blank are its standing, and Since is when that began.
	Away    bool      `json:"away,omitempty"`
	Blank   bool      `json:"blank,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Entries []saved   `json:"entries"`
}

type saved struct {
	Entry
	Learned time.Time `json:"learned,omitzero"`
}

// Open makes a Store for the node named writer that begins with what is in
// dir; with an empty dir it keeps nothing on disk. A file that can't be read is
// renamed, and an error is returned together with a Store that works and is
// empty: peers have the marks too.
func Open(writer, dir string) (*Store, error) {
	s := &Store{writer: writer, entries: make(map[string]record), standing: blank, since: time.Now()}
	if dir == "" {
		return s, nil
	}
	s.path = filepath.Join(dir, fileName)
	f, err := load(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case err != nil:
		aside := s.path + ".unreadable"
		if rerr := os.Rename(s.path, aside); rerr != nil {
			return s, fmt.Errorf("load marks: %w; keeping the file aside: %w", err, rerr)
		}
		return s, fmt.Errorf("load marks: %w; the file is kept as %s", err, aside)
	}
	// A clock that was set back makes Seen lie in the future; then nothing is
	// known, and giving way to the peers is the safe side.
	gone := time.Since(f.Seen)
	switch {
	case gone >= tombstoneLife || gone < -time.Minute:
		s.standing = away // since now
	case f.Away:
		s.standing, s.since = away, f.Since
	case f.Blank:
		s.since = f.Since
	default:
		s.standing = here
	}
	if s.since.IsZero() {
		s.since = time.Now()
	}
	for _, e := range f.Entries {
		if s.standing == away {
			e.Learned = time.Time{}
		}
		s.entries[e.Key] = e.record()
		s.counter = max(s.counter, e.Counter)
	}
	return s, nil
}

func (s saved) record() record { return record{Entry: s.Entry, learned: s.Learned} }

func load(path string) (*file, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	f, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

func parse(b []byte) (*file, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("longer than %d bytes", maxFile)
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	if f.Format != formatVersion {
		return nil, fmt.Errorf("format %d is unknown", f.Format)
	}
	if len(f.Entries) > MaxEntries {
		return nil, fmt.Errorf("%d entries, more than %d", len(f.Entries), MaxEntries)
	}
	for _, e := range f.Entries {
		if err := e.validate(); err != nil {
			return nil, err
		}
	}
	return &f, nil
}

// Save writes the map to its file if it has changed since the last time, or,
// with always, in any case, so that the file says that this node is running.
// The file is replaced as a whole: after a crash it is the old or the new one.
func (s *Store) Save(always bool) error {
	if s.path == "" {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()

	s.mu.Lock()
	if !s.changed && !always {
		s.mu.Unlock()
		return nil
	}
	f := file{
		Format: formatVersion, Seen: time.Now().UTC(),
		Away: s.standing == away, Blank: s.standing == blank, Since: s.since.UTC().Round(0), Entries: []saved{},
	}
	for _, e := range s.list() {
		f.Entries = append(f.Entries, saved{Entry: e, Learned: s.entries[e.Key].learned.UTC().Round(0)})
	}
	s.changed = false
	s.mu.Unlock()

	if err := write(s.path, f); err != nil {
		s.mu.Lock()
		s.changed = true
		s.mu.Unlock()
		return fmt.Errorf("save marks: %w", err)
	}
	return nil
}

func write(path string, f file) error {
	b, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	return durable.WriteFile(path, append(b, '\n'))
}
