package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
)

// openFiles bounds how many written files a batch holds open before it syncs
// and closes them.
const openFiles = 64

// buffers are for copying and hashing, and hold a small blob. SHA-256 with the
// processor's own instructions runs at about 1 GB/s, so a small buffer would show; one
// that does not fit a core's cache would, too.
var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// Put stores what r has as blob h: exactly size bytes with that hash, or an
// error and nothing is kept. If the store already has h, r is not read.
func (s *Store) Put(r io.Reader, h release.Hash, size int64) error {
	b := s.NewBatch()
	defer b.Abort()
	if err := b.Put(r, h, size); err != nil {
		return err
	}
	return b.Commit()
}

// Batch stores many blobs with few waits for the disk. They are in the store
// once Commit has returned without an error. It is for one goroutine; several
// batches may run at once. Abort after Commit does nothing, so it can be
// deferred.
type Batch struct {
	store   *Store
	pack    *packWriter // of the small ones; nil: there is none yet
	written []*os.File  // not yet synced
	ready   []placed
	pending map[release.Hash]bool
	done    bool
}

type placed struct {
	tmp  string
	hash release.Hash
}

// NewBatch begins a batch.
func (s *Store) NewBatch() *Batch {
	return &Batch{store: s, pending: make(map[release.Hash]bool)}
}

// Put adds what r has as blob h, as Store.Put does. After an error the batch can
// go on without that blob.
func (b *Batch) Put(r io.Reader, h release.Hash, size int64) error {
	if b.done {
		return errors.New("put blob: the batch has ended")
	}
	if b.pending[h] || b.store.Has(h) {
		return nil
	}
	put := b.putLarge
	if size <= smallBlob {
		put = b.putSmall
	}
	if err := put(r, h, size); err != nil {
		return fmt.Errorf("put blob %s: %w", h, err)
	}
	b.pending[h] = true
	if len(b.written) >= openFiles {
		return b.flush()
	}
	return nil
}

func (b *Batch) putSmall(r io.Reader, h release.Hash, size int64) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	content := (*buf)[:max(size, 0)+1]
	n, err := io.ReadFull(r, content)
	if err == nil {
		return tooLong(size)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("copy: %w", err)
	}
	content = content[:n]
	if err := check(int64(n), size, sha256.Sum256(content), h); err != nil {
		return err
	}
	if b.pack == nil {
		if b.pack, err = b.store.newPack(); err != nil {
			return err
		}
	}
	return b.pack.add(h, content)
}

func (b *Batch) putLarge(r io.Reader, h release.Hash, size int64) error {
	f, err := os.CreateTemp(b.store.tmp, h.String()[:12]+".*")
	if err != nil {
		return err
	}
	if err := fill(f, r, h, size); err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return err
	}
	b.written = append(b.written, f)
	b.ready = append(b.ready, placed{tmp: f.Name(), hash: h})
	return nil
}

// fill copies exactly size bytes of r into f and checks their hash. One byte
// more is read to know that there is none.
func fill(f *os.File, r io.Reader, want release.Hash, size int64) error {
	n, got, err := receive(f, io.LimitReader(r, size+1))
	switch {
	case err != nil:
		return fmt.Errorf("copy: %w", err)
	case n > size:
		return tooLong(size)
	}
	return check(n, size, got, want)
}

func tooLong(size int64) error {
	return fmt.Errorf("longer than the %d bytes that were promised", size)
}

func check(n, size int64, got, want release.Hash) error {
	if n != size {
		return fmt.Errorf("%d bytes, not the %d that were promised", n, size)
	}
	if got != want {
		return fmt.Errorf("content has another hash: %s", got)
	}
	return nil
}

// PutFile adds the file at path in root, which must have the content of blob h. A
// content that an Intake has brought is taken instead.
// Links that lead out of root are not followed.
func (b *Batch) PutFile(root *os.Root, path string, h release.Hash, size int64) error {
	if b.pending[h] || b.store.Has(h) {
		return nil
	}
	if there, err := b.putHeld(h, size); there || err != nil {
		return err
	}
	f, err := root.Open(filepath.FromSlash(path))
	if err != nil {
		return fmt.Errorf("put blob %s: %w", h, err)
	}
	defer f.Close()
	if err := b.Put(f, h, size); err != nil {
		return fmt.Errorf("from %q: %w", path, err)
	}
	return nil
}

// flush syncs and closes what was written, but for the pack.
func (b *Batch) flush() error {
	err := durable.SyncAll(b.written)
	for _, f := range b.written {
		err = errors.Join(err, f.Close())
	}
	b.written = b.written[:0]
	if err != nil {
		// Which files are whole is not known any more.
		b.Abort()
		return fmt.Errorf("sync blobs: %w", err)
	}
	return nil
}

// Commit puts the batch's blobs into the store. After an error some may be in
// it, each of them whole.
func (b *Batch) Commit() error {
	if b.done {
		return errors.New("commit blobs: the batch has ended")
	}
	defer b.Abort()
	var pack string
	if b.pack != nil {
		var err error
		if pack, err = b.pack.finish(); err != nil {
			return fmt.Errorf("commit blobs: %w", err)
		}
		// It is closed when it gets its name.
		if err := b.pack.f.Sync(); err != nil {
			return fmt.Errorf("sync blobs: %w", err)
		}
	}
	if err := b.flush(); err != nil {
		return err
	}
	b.store.placing.Lock()
	defer b.store.placing.Unlock()
	if err := b.place(); err != nil {
		return fmt.Errorf("commit blobs: %w", err)
	}
	if b.pack != nil {
		if err := b.store.putPack(b.pack, pack); err != nil {
			return fmt.Errorf("commit blobs: %w", err)
		}
		b.store.place(pack, b.pack.entries)
	}
	return nil
}

// place gives the blobs that have files of their own their names. The caller holds
// placing.
func (b *Batch) place() error {
	// Before others find them: they would be hashed again by who sends them.
	b.store.refresh(b.ready)
	var dirs []folder
	seen := make(map[string]bool)
	for _, p := range b.ready {
		if b.store.Has(p.hash) {
			continue // another batch was faster, and it may be open
		}
		if err := os.Rename(p.tmp, b.store.path(p.hash)); err != nil {
			return err
		}
		if dir := b.store.shard(p.hash); !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, folder(dir))
		}
	}
	return durable.SyncAll(dirs)
}

// refresh notes that blobs were written just now, and forgets which were long ago.
func (s *Store) refresh(written []placed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(s.fresh, func(_ release.Hash, t time.Time) bool { return now.Sub(t) > freshTime })
	for _, p := range written {
		s.fresh[p.hash] = now
	}
}

// folder is a folder that can be synced with others.
type folder string

func (f folder) Sync() error { return durable.SyncDir(string(f)) }

// Abort ends the batch and removes what is not in the store.
func (b *Batch) Abort() {
	if b.done {
		return
	}
	b.done = true
	if b.pack != nil {
		b.pack.abort()
	}
	for _, f := range b.written {
		_ = f.Close()
	}
	b.store.ended(b.ready)
	for _, p := range b.ready {
		// After Commit most are gone; what can't be removed is swept at the
		// next start.
		_ = os.Remove(p.tmp)
	}
}
