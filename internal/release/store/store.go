package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/durable"
)

// Config configures a Store.
type Config struct {
	// Dir is the store's own folder; it is made when it isn't there.
	Dir string
	// Log hears what was swept. Default: nobody.
	Log *slog.Logger
}

// Validate tells what is wrong with c.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("blob store: no folder")
	}
	return nil
}

// Store is the blobs of one node. All methods may be called concurrently. Only
// one Store may work on a folder.
type Store struct {
	blobs, tmp string
	log        *slog.Logger

	// placing is held while blobs are renamed into place and their folders
	// synced: whoever finds a blob there and then commits waits until it is on
	// the disk, and GC doesn't come between.
	placing sync.Mutex
}

// Open makes or opens the store in cfg.Dir and removes what a crash left.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{
		blobs: filepath.Join(cfg.Dir, "blobs"),
		tmp:   filepath.Join(cfg.Dir, "tmp"),
		log:   cfg.Log,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, dir := range []string{s.blobs, s.tmp} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make blob store: %w", err)
		}
	}
	if err := s.makeShards(); err != nil {
		return nil, fmt.Errorf("make blob store: %w", err)
	}
	left, err := os.ReadDir(s.tmp)
	if err != nil {
		return nil, fmt.Errorf("sweep blob store: %w", err)
	}
	for _, e := range left {
		if err := os.Remove(filepath.Join(s.tmp, e.Name())); err != nil {
			return nil, fmt.Errorf("sweep blob store: %w", err)
		}
	}
	if len(left) > 0 {
		s.log.Info("removed unfinished blobs", "count", len(left))
	}
	return s, nil
}

// makeShards makes all folders for blobs at once, so that a batch needn't ask
// whether the folder that it uses, perhaps made by another batch, was synced.
func (s *Store) makeShards() error {
	made := false
	for i := range 256 {
		err := os.Mkdir(filepath.Join(s.blobs, fmt.Sprintf("%02x", i)), 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		made = made || err == nil
	}
	if !made {
		return nil
	}
	return durable.SyncDir(s.blobs)
}

func (s *Store) shard(h release.Hash) string { return filepath.Join(s.blobs, h.String()[:2]) }

func (s *Store) path(h release.Hash) string { return filepath.Join(s.shard(h), h.String()[2:]) }

// Has reports whether the store has h.
func (s *Store) Has(h release.Hash) bool {
	info, err := os.Lstat(s.path(h))
	return err == nil && info.Mode().IsRegular()
}

// Missing returns those of files whose content the store does not have, each
// content once.
func (s *Store) Missing(files []release.File) []release.File {
	var out []release.File
	seen := make(map[release.Hash]bool, len(files))
	for _, f := range files {
		if !seen[f.SHA256] && !s.Has(f.SHA256) {
			out = append(out, f)
		}
		seen[f.SHA256] = true
	}
	return out
}

// Open opens the blob h for reading; its Stat tells the size. The error matches
// fs.ErrNotExist if the store doesn't have it. What was opened can be read to
// its end also if GC removes it meanwhile, except on Windows, where GC then
// leaves it for the next time.
func (s *Store) Open(h release.Hash) (*os.File, error) {
	f, err := os.Open(s.path(h))
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", h, err)
	}
	return f, nil
}

// Drop removes h, which turned out to be damaged.
func (s *Store) Drop(h release.Hash) error {
	s.placing.Lock()
	defer s.placing.Unlock()
	if err := os.Remove(s.path(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop blob %s: %w", h, err)
	}
	return nil
}

// GC removes every blob for which keep says false, and returns how many there
// were and their bytes. What can't be removed is logged and stays for the next
// time. It must say true for what somebody is about to put as well: Put does not
// write what the store already has.
func (s *Store) GC(keep func(release.Hash) bool) (count int, size int64, err error) {
	s.placing.Lock()
	defer s.placing.Unlock()
	shards, err := os.ReadDir(s.blobs)
	if err != nil {
		return 0, 0, fmt.Errorf("collect blobs: %w", err)
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
