package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/omflow/booster/internal/release"
)

// maxHeld is how many contents are held for somebody to put, and heldTime how long.
const (
	maxHeld  = 8
	heldTime = time.Minute
)

// Intake is a content that is read for another purpose, of which the hash is not known
// yet, on its way into the store: who reads a large file to hash it saves another
// reading by that. It is for one goroutine, and ends with Keep or Discard.
type Intake struct {
	store *Store
	w     *hashWriter
}

// held is a content that an Intake has brought. It is in tmp/, not synced.
type held struct {
	tmp  string
	size int64
	at   time.Time
}

// Take begins an Intake of a content of that many bytes, or returns nil: small blobs
// are written together, by a Batch.
func (s *Store) Take(size int64) *Intake {
	if size <= smallBlob {
		return nil
	}
	f, err := os.CreateTemp(s.tmp, "intake.*")
	if err != nil {
		s.log.Warn("a content is read twice", "error", err)
		return nil
	}
	return &Intake{store: s, w: newHashWriter(f)}
}

// ReadFrom implements io.ReaderFrom. It fails only when r does: who reads the content
// wants its hash above all. What can't be written is not kept.
func (in *Intake) ReadFrom(r io.Reader) (int64, error) { return in.w.readFrom(r) }

// Write implements io.Writer. It never fails, see ReadFrom, which copies less.
func (in *Intake) Write(b []byte) (int, error) {
	_, _ = in.ReadFrom(bytes.NewReader(b)) // that can be read
	return len(b), nil
}

// Keep ends the Intake and returns the hash of what was written. For a minute the
// content is held for PutFile, which needs not read it again then.
func (in *Intake) Keep() [32]byte {
	h, size := in.w.sum(), in.w.written
	if err := errors.Join(in.w.failed, in.w.f.Close()); err != nil {
		in.store.log.Warn("a content is read twice", "error", err)
		_ = os.Remove(in.w.f.Name()) // what can't be removed is swept at the next start
		return h
	}
	in.store.hold(h, held{in.w.f.Name(), size, time.Now()})
	return h
}

// Discard ends the Intake.
func (in *Intake) Discard() {
	in.w.sum()
	_ = in.w.f.Close()
	_ = os.Remove(in.w.f.Name()) // what can't be removed is swept at the next start
}

// hold keeps a content for PutFile, and lets go of others when there are too many.
func (s *Store) hold(h release.Hash, c held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.held[h]; ok {
		_ = os.Remove(old.tmp)
	}
	s.held[h] = c
	s.letGo()
	time.AfterFunc(heldTime, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.letGo()
	})
}

// letGo removes contents that were held for too long, and the oldest of too many. The
// caller holds mu.
func (s *Store) letGo() {
	now := time.Now()
	for h, c := range s.held {
		older := 0
		for _, other := range s.held {
			if other.at.Before(c.at) {
				older++
			}
		}
		if now.Sub(c.at) >= heldTime || older < len(s.held)-maxHeld {
			_ = os.Remove(c.tmp)
			delete(s.held, h)
		}
	}
}

// takeHeld hands over a content that is held.
func (s *Store) takeHeld(h release.Hash, size int64) (held, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.held[h]
	if !ok || c.size != size {
		return held{}, false
	}
	delete(s.held, h)
	s.putting[h] = c
	return c, true
}

// ended forgets the held contents of a batch: they are blobs now, or gone.
func (s *Store) ended(batch []placed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range batch {
		delete(s.putting, p.hash)
	}
}

// openHeld opens a content that is held. It can be read to its end also if it is put or
// let go meanwhile.
func (s *Store) openHeld(h release.Hash) (*Blob, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.held[h]
	if !ok {
		c, ok = s.putting[h]
	}
	if !ok {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(c.tmp)
	if err != nil {
		return nil, err
	}
	return &Blob{io.NewSectionReader(f, 0, c.size), f, true, true}, nil
}

// ToWrite returns those of files whose content Batch.PutFile would have to write: what
// is Missing, but for what an Intake has brought.
func (s *Store) ToWrite(files []release.File) []release.File {
	missing := s.Missing(files)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.DeleteFunc(missing, func(f release.File) bool {
		c, ok := s.held[f.SHA256]
		return ok && c.size == f.Size
	})
}

// putHeld adds a content that is held, if it is.
func (b *Batch) putHeld(h release.Hash, size int64) (bool, error) {
	c, ok := b.store.takeHeld(h, size)
	if !ok {
		return false, nil
	}
	f, err := os.OpenFile(c.tmp, os.O_RDWR, 0)
	if err != nil {
		b.store.ended([]placed{{tmp: c.tmp, hash: h}})
		_ = os.Remove(c.tmp) // what can't be removed is swept at the next start
		return false, fmt.Errorf("put blob %s: %w", h, err)
	}
	b.written = append(b.written, f)
	b.ready = append(b.ready, placed{tmp: c.tmp, hash: h})
	b.pending[h] = true
	return true, nil
}
