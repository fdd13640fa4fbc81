package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
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

// freshTime is how long a blob counts as Blob.Fresh after it was written.
const freshTime = 10 * time.Minute

// Store is the blobs of one node. All methods may be called concurrently. Only
// one Store may work on a folder.
type Store struct {
	blobs, packs, tmp string
	log               *slog.Logger

	// placing is held while blobs are renamed into place and their folders
	// synced: whoever finds a blob there and then commits waits until it is on
	// the disk, and GC doesn't come between. It comes before mu.
	placing sync.Mutex

	mu      sync.RWMutex
	places  map[release.Hash]place     // where small blobs are
	fresh   map[release.Hash]time.Time // when the others were written
	held    map[release.Hash]held      // what an Intake has brought
	putting map[release.Hash]held      // those that a batch has
}

// Open makes or opens the store in cfg.Dir and removes what a crash left.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{
		blobs: filepath.Join(cfg.Dir, "blobs"),
		packs: filepath.Join(cfg.Dir, "packs"),
		tmp:   filepath.Join(cfg.Dir, "tmp"),
		log:   cfg.Log,

		places:  make(map[release.Hash]place),
		fresh:   make(map[release.Hash]time.Time),
		held:    make(map[release.Hash]held),
		putting: make(map[release.Hash]held),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, dir := range []string{s.blobs, s.packs, s.tmp} {
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
	if err := s.loadPacks(); err != nil {
		return nil, fmt.Errorf("open blob store: %w", err)
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
	if _, ok := s.placeOf(h); ok {
		return true
	}
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

// Drop removes h, which turned out to be damaged.
func (s *Store) Drop(h release.Hash) error {
	s.placing.Lock()
	defer s.placing.Unlock()
	if p, ok := s.placeOf(h); ok {
		stay := slices.DeleteFunc(s.byPack()[p.pack], func(e entry) bool { return e.Hash == h })
		if err := s.repack(p.pack, stay); err != nil {
			return fmt.Errorf("drop blob %s: %w", h, err)
		}
	}
	if err := os.Remove(s.path(h)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop blob %s: %w", h, err)
	}
	return nil
}
