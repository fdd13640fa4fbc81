package watch

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// returned looks once more for the files that a change removes, for a removal is what
// costs most when it is wrong: one that was replaced by deleting it and making it anew,
// in the moment in which its directory was listed, is there again. It tells which of
// them are not surely gone; their directories are looked into again.
func (w *Watcher) returned(root *os.Root, change *Change) map[string]bool {
	if len(change.Removed) == 0 {
		return nil
	}
	// Where the system ignores case a file that got another spelling is found under the
	// old one too.
	respelled := make(map[string]bool, len(change.Added))
	for _, e := range change.Added {
		respelled[fold(e.Path)] = true
	}
	var back map[string]bool
	for _, e := range change.Removed {
		if respelled[fold(e.Path)] || surelyGone(root, e.Path) {
			continue
		}
		if back == nil {
			back = make(map[string]bool)
		}
		back[e.Path] = true
		dir, _ := cutPath(e.Path)
		w.inbox.mark(dir)
	}
	return back
}

// surelyGone tells whether there is no file at path. What can't be told is not sure.
func surelyGone(root *os.Root, path string) bool {
	info, err := root.Lstat(path)
	if err == nil {
		return !info.Mode().IsRegular()
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
