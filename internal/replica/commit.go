package replica

import (
	"context"
	"maps"
	"slices"
)

// commit writes into the index what the disk holds, once that is sure: a file that
// the index has and the disk lost in a crash would be taken for deleted. Many
// files that came together cost one sync for each folder.
func (r *Replica) commit(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		}
		r.commitNow()
	}
}

// commitNow does that for what has come up to now.
func (r *Replica) commitNow() {
	r.mu.Lock()
	work := r.unsynced
	r.unsynced = make(map[string]*Entry)
	r.mu.Unlock()
	if len(work) == 0 {
		return
	}
	err := r.syncFolders(slices.Collect(maps.Keys(work)))
	r.mu.Lock()
	if err == nil {
		for path, e := range work {
			if l := r.index.get(path).local; l != nil && l.same(e) {
				r.note(path)
			}
		}
		r.save()
	}
	r.mu.Unlock()
	if err != nil {
		// What was put in place is found again after the next start.
		r.say("commit", "folders are not brought to the disk", "error", err)
	}
}

func (r *Replica) syncFolders(paths []string) error {
	t, err := r.openFolder()
	if err != nil {
		return err
	}
	defer t.Close()
	return t.Sync("sync the folders", foldersAbove(paths)...)
}
