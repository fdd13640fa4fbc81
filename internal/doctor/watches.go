package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/omflow/booster/internal/watch"
)

const (
	// mostFolders ends the counting of folders.
	mostFolders = 200_000
	// watchShare is how many times as many watches as folders there should be: the
	// limit is the user's, and other programs of that user watch too.
	watchShare = 2
)

// Watches checks that all folders can be watched that the agent watches.
type Watches struct {
	// Trees are what it watches.
	Trees []Tree
	// System tells the limit. Default: this machine.
	System System
}

// Tree is a folder, and those below it that its rules look into.
type Tree struct {
	Folder string
	Rules  watch.Rules
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
	n := 0
	for _, tree := range w.Trees {
		more, err := tree.count(ctx, mostFolders-n)
		if err != nil {
			return skipped("%v", err)
		}
		n += more
	}
	if want := uint64(n) * watchShare; want > limit {
		return failed("%d folders are to be watched, and the limit is %d for all that this user watches", n, limit).
			advise("raise it: `sysctl -w fs.inotify.max_user_watches=%d`, and write it into a file in /etc/sysctl.d", max(want, 524_288))
	}
	return ok("%d folders, and a limit of %d", n, limit)
}

// count counts the folders that are there, up to most.
func (t Tree) count(ctx context.Context, most int) (n int, err error) {
	rules, err := t.Rules.Compile()
	if err != nil {
		return 0, fmt.Errorf("count the folders of %s: %w", t.Folder, err)
	}
	err = filepath.WalkDir(t.Folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case path == t.Folder && errors.Is(err, fs.ErrNotExist):
			return fs.SkipAll // it has not come yet
		case path == t.Folder && err != nil:
			return err
		case err != nil || !d.IsDir():
			return nil // one that cannot be read is not watched either
		}
		below, err := filepath.Rel(t.Folder, path)
		if err != nil {
			return err
		}
		if !rules.Enters(filepath.ToSlash(below)) {
			return fs.SkipDir
		}
		if n++; n >= most {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("count the folders of %s: %w", t.Folder, err)
	}
	return n, nil
}
