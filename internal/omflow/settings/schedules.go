package settings

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// Bounds of a look through OMFLOW's source: 1.1.0.0 has 24 files of Python in the folder
// of settings.py and those below, the largest of 123 kB.
const (
	maxSources = 1000    // files and folders
	maxSource  = 1 << 20 // bytes of one file
)

// hashable finds a use of collections.Hashable, and not collections.abc.Hashable, nor
// what a comment says.
var hashable = regexp.MustCompile(`(?m)^[^#\n]*\bcollections\.Hashable\b`)

// Schedules says why the OMFLOW Server in home would fire no schedules with the Python
// that read its settings; nil when nothing is known to keep it from that.
//
// OMFLOW 1.1.0.0 asks for collections.Hashable whenever it enters a schedule. Python 3.10
// and newer have only collections.abc.Hashable, and no schedule fires (measured on OMFLOW
// 1.1.0.0). An OMFLOW whose source does not ask for it has no such trouble, and one
// that can't be read is not judged. The source is looked for in the package of
// settings.py, in up to 1000 files and folders.
//
// The name is looked up when it is used, so that it can be put back in settings.py, which
// OMFLOW imports before it enters a schedule.
func (s Settings) Schedules(home string) error {
	if s.Python == "" || s.Hashable {
		return nil
	}
	where := usesHashable(filepath.Dir(FileIn(home)))
	if where == "" {
		return nil
	}
	if name, err := filepath.Rel(home, where); err == nil {
		where = filepath.ToSlash(name)
	}
	return fmt.Errorf("no schedule fires: Python %s has no collections.Hashable (%s): use Python 3.7.7 to 3.9, or write into settings.py: import collections.abc; collections.Hashable = collections.abc.Hashable", s.Python, where)
}

// usesHashable returns the first file of Python below a folder that uses
// collections.Hashable, or "".
func usesHashable(folder string) (found string) {
	left := maxSources
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if left--; left < 0 {
			return fs.SkipAll
		}
		if err != nil || !d.Type().IsRegular() || filepath.Ext(path) != ".py" {
			return nil // what can't be read is passed over
		}
		if text, err := head(path); err == nil && hashable.Match(text) {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// head reads the beginning of a file.
func head(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSource))
}
