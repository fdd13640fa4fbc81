package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/omflow/booster/internal/release"
)

// Blob is a blob that is open for reading. It is an fs.File. It is for one
// goroutine, and must be closed.
type Blob struct {
	*io.SectionReader
	f     *os.File
	whole bool // it has the file for itself
	fresh bool
}

// Open opens the blob h for reading, also one that an Intake has brought and nobody has
// put yet. The error matches fs.ErrNotExist if neither is there. What was opened can be
// read to its end also if GC removes it meanwhile, except on Windows, where GC then
// leaves it for the next time, and where nobody should open what is yet to be put.
func (s *Store) Open(h release.Hash) (*Blob, error) {
	for range 2 { // a pack may have made room for another meanwhile
		p, ok := s.placeOf(h)
		if !ok {
			break
		}
		f, err := os.Open(filepath.Join(s.packs, p.pack))
		if err == nil {
			return &Blob{SectionReader: io.NewSectionReader(f, p.at, p.size), f: f}, nil
		}
	}
	f, err := os.Open(s.path(h))
	if errors.Is(err, fs.ErrNotExist) {
		if held, herr := s.openHeld(h); herr == nil {
			return held, nil
		}
		f, err = os.Open(s.path(h)) // it may have become a blob meanwhile
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", h, err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open blob %s: %w", h, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	fresh := time.Since(s.fresh[h]) < freshTime
	return &Blob{io.NewSectionReader(f, 0, info.Size()), f, true, fresh}, nil
}

// Fresh tells that this process wrote the blob and compared it with its hash, only
// minutes ago: it need not be hashed again to find out whether the disk has damaged
// it since.
func (b *Blob) Fresh() bool { return b.fresh }

// WriteTo implements io.WriterTo. A blob that has its file for itself is copied
// within the kernel where the system can, and on file systems with reflinks takes no
// space.
func (b *Blob) WriteTo(w io.Writer) (int64, error) {
	if !b.whole {
		return io.Copy(w, b.SectionReader)
	}
	at, err := b.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = b.f.Seek(at, io.SeekStart)
	}
	if err != nil {
		return 0, fmt.Errorf("copy a blob: %w", err)
	}
	n, err := io.Copy(w, b.f)
	if _, serr := b.Seek(at+n, io.SeekStart); err == nil {
		err = serr
	}
	return n, err
}

// Stat implements fs.File. The size is the blob's.
func (b *Blob) Stat() (fs.FileInfo, error) {
	info, err := b.f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at a blob: %w", err)
	}
	return blobInfo{info, b.Size()}, nil
}

// Close implements io.Closer.
func (b *Blob) Close() error { return b.f.Close() }

// blobInfo is the file that a blob is in, with the blob's size.
type blobInfo struct {
	fs.FileInfo
	size int64
}

// Size implements fs.FileInfo.
func (i blobInfo) Size() int64 { return i.size }

// Interface guards
var (
	_ fs.File     = (*Blob)(nil)
	_ io.WriterTo = (*Blob)(nil)
)
