package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// removals are those that were accepted lately: what takes files away slowly, or with
// pauses, is judged as a whole, also when the process was restarted in between.
type removals struct {
	file string // keeps them; "": nothing does
	list []removal
}

type removal struct {
	At    time.Time `json:"at"`
	Files int       `json:"files"`
}

const (
	// removalWindow is how long removals count together.
	removalWindow = 10 * time.Minute
	// removalStep is how far apart removals are kept one by one.
	removalStep = time.Second
	// maxRemovalsFile bounds what is read of the file, in bytes; it has one removal for
	// each step of the window, of at most 70 bytes.
	maxRemovalsFile = 64 << 10
)

// add notes that so many files were removed.
func (r *removals) add(n int, now time.Time) error {
	if n == 0 {
		return nil
	}
	r.forget(now)
	if last := len(r.list) - 1; last >= 0 && now.Sub(r.list[last].At).Abs() < removalStep {
		r.list[last].Files += n
	} else {
		r.list = append(r.list, removal{now, n})
	}
	return r.save()
}

// reset forgets all.
func (r *removals) reset() error {
	if len(r.list) == 0 {
		return nil
	}
	r.list = nil
	return r.save()
}

// recent counts those within the window.
func (r *removals) recent(now time.Time) (n int) {
	r.forget(now)
	for _, x := range r.list {
		n += x.Files
	}
	return n
}

// forget drops those outside of the window. One from further in the future says only
// that the clock was set back.
func (r *removals) forget(now time.Time) {
	r.list = slices.DeleteFunc(r.list, func(x removal) bool { return now.Sub(x.At).Abs() > removalWindow })
}

// save replaces the file. It is not synced: what a power failure takes is at worst a
// wipe that counts as two halves.
func (r *removals) save() error {
	if r.file == "" {
		return nil
	}
	b, err := json.Marshal(r.list)
	if err != nil {
		return fmt.Errorf("save what was removed lately: %w", err)
	}
	if err := replaceFile(r.file, b); err != nil {
		return fmt.Errorf("save what was removed lately: %w", err)
	}
	return nil
}

// load reads the file; without one nothing was removed.
func (r *removals) load() error {
	if r.file == "" {
		return nil
	}
	f, err := os.Open(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load what was removed lately: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxRemovalsFile+1))
	if err == nil {
		r.list, err = decodeRemovals(b)
	}
	if err != nil {
		return fmt.Errorf("load what was removed lately: %s: %w", r.file, err)
	}
	return nil
}

func decodeRemovals(b []byte) ([]removal, error) {
	if len(b) > maxRemovalsFile {
		return nil, fmt.Errorf("more than %d bytes", maxRemovalsFile)
	}
	var list []removal
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, err
	}
	for _, x := range list {
		if x.Files <= 0 || x.Files > maxRemoved {
			return nil, fmt.Errorf("%d files cannot have been removed", x.Files)
		}
	}
	return list, nil
}

// maxRemoved keeps a sum of removals from running over.
const maxRemoved = 1 << 40
