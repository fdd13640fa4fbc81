package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/omflow/booster/internal/release"
)

// ErrDamaged: a blob was not what its hash says any more.
var ErrDamaged = errors.New("the disk has damaged it")

// OpenSound opens the blob h for somebody who can't do anything about a damaged one,
// such as another node, which would refuse it each time that it asks: unless the blob is
// Fresh, it is compared with its hash first, which costs a reading of it. A damaged one is
// dropped, so that a good copy can be put, and the error matches ErrDamaged. Otherwise it
// is Open.
func (s *Store) OpenSound(h release.Hash) (*Blob, error) {
	b, err := s.Open(h)
	if err != nil || b.Fresh() {
		return b, err
	}
	_, is, err := Hash(b.SectionReader)
	if err == nil && is != h {
		err = errors.New("its content is another")
	}
	if err == nil {
		_, err = b.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = b.Close() // it was only read
		err = fmt.Errorf("open blob %s: %w: %w", h, ErrDamaged, err)
		s.log.Error("a content in the blob store is damaged, and dropped", "error", err)
		return nil, errors.Join(err, s.Drop(h))
	}
	if b.Size() > smallBlob { // the others are hashed as fast as they are looked up
		s.refresh([]placed{{hash: h}})
	}
	return b, nil
}

// Hash reads r to its end, writes what it reads to the writers too, and returns how many
// bytes that were and their hash. Its buffer serves again: io.Copy would make another for
// each of thousands of small files. May be called concurrently.
func Hash(r io.Reader, to ...io.Writer) (int64, release.Hash, error) {
	sum := sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	// Neither side may choose another way to copy, with a buffer of its own.
	n, err := io.CopyBuffer(io.MultiWriter(append(to, sum)...), struct{ io.Reader }{r}, *buf)
	return n, release.Hash(sum.Sum(nil)), err
}
