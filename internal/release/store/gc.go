package store

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/omflow/booster/internal/release"
)

// GC removes every blob for which keep says false, and returns how many there
// were and their bytes. What can't be removed is logged and stays for the next
// time, and so do small blobs that share a file with others, until more than half
// of what is in it can go. keep must say true for what somebody is about to put as well: Put does not
// write what the store already has.
func (s *Store) GC(keep func(release.Hash) bool) (count int, size int64, err error) {
	s.placing.Lock()
	defer s.placing.Unlock()
	count, size = s.gcPacks(keep)
	shards, err := os.ReadDir(s.blobs)
	if err != nil {
		return count, size, fmt.Errorf("collect blobs: %w", err)
	}
	for _, shard := range shards {
		dir := filepath.Join(s.blobs, shard.Name())
		entries, err := os.ReadDir(dir)
		if err != nil {
			return count, size, fmt.Errorf("collect blobs: %w", err)
		}
		for _, e := range entries {
			h, err := release.ParseHash(shard.Name() + e.Name())
			if err != nil {
				s.log.Warn("a file that is no blob lies in the blob store", "file", filepath.Join(dir, e.Name()))
				continue
			}
			if keep(h) {
				continue
			}
			info, err := e.Info()
			if err == nil {
				err = os.Remove(filepath.Join(dir, e.Name()))
			}
			if err != nil {
				s.log.Warn("can't remove a blob", "blob", h, "error", err)
				continue
			}
			count++
			size += info.Size()
		}
	}
	return count, size, nil
}

// gcPacks removes small blobs. The caller holds placing.
func (s *Store) gcPacks(keep func(release.Hash) bool) (count int, size int64) {
	for pack, entries := range s.byPack() {
		var stay []entry
		gone, stays := int64(0), int64(0)
		for _, e := range entries {
			if keep(e.Hash) {
				stay, stays = append(stay, e), stays+e.Size
			} else {
				gone += e.Size
			}
		}
		if len(stay) > 0 && gone <= stays {
			continue
		}
		if err := s.repack(pack, stay); err != nil {
			s.log.Warn("blobs can't be removed", "pack", pack, "error", err)
			continue
		}
		count += len(entries) - len(stay)
		size += gone
	}
	if err := s.removeSpare(); err != nil {
		s.log.Warn("packs that others make good for can't be removed", "error", err)
	}
	return count, size
}

// removeSpare removes the packs of which all is in others as well: two batches had the
// same contents, or a crash came while one was packed anew. Those that can't be read
// stay. The caller holds placing.
func (s *Store) removeSpare() error {
	files, err := os.ReadDir(s.packs)
	if err != nil {
		return err
	}
	used := s.byPack()
	for _, file := range files {
		if used[file.Name()] != nil {
			continue
		}
		if _, err := s.list(file.Name()); err != nil {
			continue // it was told when the store was opened
		}
		if err := os.Remove(filepath.Join(s.packs, file.Name())); err != nil {
			return err
		}
	}
	return nil
}
