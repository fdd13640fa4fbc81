package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

const (
	// mostFolders ends the counting of folders.
	mostFolders = 200_000
	// watchShare is how many times as many watches as folders there should be: the
	// limit is the user's, and other programs of that user watch too.
	watchShare = 2
)

// Watches checks that all folders below one can be watched.
type Watches struct {
	// Folder is the uppermost.
	Folder string
	// System tells the limit. Default: this machine.
	System System
}

// Checks returns the check.
func (w Watches) Checks() []Check {
	return []Check{{Name: "inotify watches", Run: w.check}}
}

func (w Watches) check(ctx context.Context) Result {
	limit, err := w.System.withDefaults().Watches()
	if err != nil {
		return skipped("%v", err)
	}
	n, err := countFolders(ctx, w.Folder)
	if err != nil {
		return skipped("%v", err)
	}
	if want := uint64(n) * watchShare; want > limit {
		return failed("%d folders are to be watched, and the limit is %d for all that this user watches", n, limit).
			advise("raise it: `sysctl -w fs.inotify.max_user_watches=%d`, and write it into a file in /etc/sysctl.d", max(want, 524_288))
	}
	return ok("%d folders, and a limit of %d", n, limit)
}

func countFolders(ctx context.Context, folder string) (n int, err error) {
	errMany := errors.New("more folders than are ever watched")
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case path == folder && err != nil:
			return err
		case err != nil || !d.IsDir():
			return nil // one that cannot be read is not watched either
		}
		if n++; n >= mostFolders {
			return errMany
		}
		return nil
	})
	if err != nil && !errors.Is(err, errMany) {
		return 0, fmt.Errorf("count the folders of %s: %w", folder, err)
	}
	return n, nil
}
