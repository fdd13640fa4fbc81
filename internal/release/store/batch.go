package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/durable"
)

// openFiles bounds how many written files a batch holds open before it syncs
// and closes them.
const openFiles = 64

// buffers are for copying and hashing. SHA-256 with the processor's own
// instructions runs at about 1 GB/s, so a small buffer would show.
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
	written []*os.File // not yet synced
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
	f, err := os.CreateTemp(b.store.tmp, h.String()[:12]+".*")
	if err != nil {
		return fmt.Errorf("put blob %s: %w", h, err)
	}
	if err := fill(f, r, h, size); err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return fmt.Errorf("put blob %s: %w", h, err)
	}
	b.written = append(b.written, f)
	b.ready = append(b.ready, placed{tmp: f.Name(), hash: h})
	b.pending[h] = true
	if len(b.written) >= openFiles {
		return b.flush()
	}
	return nil
}

// fill copies exactly size bytes of r into f and checks their hash. One byte
// more is read to know that there is none.
func fill(f *os.File, r io.Reader, want release.Hash, size int64) error {
	hash := sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	// Neither side may take the copy over with a path of its own, or the hash
	// would get small pieces.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, hash)}, struct{ io.Reader }{io.LimitReader(r, size+1)}, *buf)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if n > size {
		return fmt.Errorf("longer than the %d bytes that were promised", size)
	}
	if n < size {
		return fmt.Errorf("%d bytes, not the %d that were promised", n, size)
	}
	if got := release.Hash(hash.Sum(nil)); got != want {
		return fmt.Errorf("content has another hash: %s", got)
	}
	return nil
}

// PutFile adds the file at path in root, which must have the content of blob h.
// Links that lead out of root are not followed.
func (b *Batch) PutFile(root *os.Root, path string, h release.Hash, size int64) error {
	if b.pending[h] || b.store.Has(h) {
		return nil
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

// flush syncs and closes what was written.
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
	if err := b.flush(); err != nil {
		return err
	}
	b.store.placing.Lock()
	defer b.store.placing.Unlock()
	var dirs []folder
	seen := make(map[string]bool)
	for _, p := range b.ready {
		if b.store.Has(p.hash) {
			continue // another batch was faster, and it may be open
		}
		if err := os.Rename(p.tmp, b.store.path(p.hash)); err != nil {
			return fmt.Errorf("commit blob %s: %w", p.hash, err)
		}
		if dir := b.store.shard(p.hash); !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, folder(dir))
		}
	}
	if err := durable.SyncAll(dirs); err != nil {
		return fmt.Errorf("commit blobs: %w", err)
	}
	return nil
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
	for _, f := range b.written {
		_ = f.Close()
	}
	for _, p := range b.ready {
		// After Commit most are gone; what can't be removed is swept at the
		// next start.
		_ = os.Remove(p.tmp)
	}
}
