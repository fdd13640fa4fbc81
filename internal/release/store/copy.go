package store

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/durable"
)

// flushAfter is how much is written before the system is told to bring it to the
// disk, in bytes: the sync at the end then finds little to do.
const flushAfter = 8 << 20

// hashWriter writes to a file and hashes at the same time, on two cores. sum must
// be called to end it.
type hashWriter struct {
	f       *os.File
	hash    hash.Hash
	pieces  chan []byte
	hashed  chan struct{} // one for each piece
	written int64
	flushed int64
}

func newHashWriter(f *os.File) *hashWriter {
	w := &hashWriter{f: f, hash: sha256.New(), pieces: make(chan []byte), hashed: make(chan struct{})}
	go func() {
		for piece := range w.pieces {
			w.hash.Write(piece)
			w.hashed <- struct{}{}
		}
		close(w.hashed)
	}()
	return w
}

// copy writes what r has to the file.
func (w *hashWriter) copy(r io.Reader) (int64, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := io.ReadFull(r, *buf)
		if werr := w.write((*buf)[:n]); werr != nil {
			return w.written, werr
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return w.written, nil
		case err != nil:
			return w.written, err
		}
	}
}

// write takes one piece, which may be used again when it returns.
func (w *hashWriter) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	w.pieces <- b
	n, err := w.f.Write(b)
	<-w.hashed
	w.written += int64(n)
	if w.written-w.flushed >= flushAfter {
		durable.StartFlush(w.f, w.flushed, w.written-w.flushed)
		w.flushed = w.written
	}
	return err
}

// sum ends the hashing and returns the hash of all that was written.
func (w *hashWriter) sum() release.Hash {
	close(w.pieces)
	<-w.hashed
	return release.Hash(w.hash.Sum(nil))
}
