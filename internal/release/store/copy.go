package store

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"sync/atomic"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/durable"
)

// flushAfter is how much is written before the system is told to bring it to the
// disk, in bytes: the sync at the end then finds little to do.
const flushAfter = 8 << 20

// flusher has what is written to a file brought to the disk meanwhile.
type flusher struct {
	f                *os.File
	written, flushed int64
}

// wrote notes that so many bytes more are in the file.
func (w *flusher) wrote(n int) {
	w.written += int64(n)
	if w.written-w.flushed >= flushAfter {
		durable.StartFlush(w.f, w.flushed, w.written-w.flushed)
		w.flushed = w.written
	}
}

// piecesAhead is how many pieces may be read before they are hashed and written.
const piecesAhead = 3

// receive copies r to f, and returns how many bytes there were and their hash. A piece
// is hashed and written by one goroutine, while it is in its core's cache, and the next
// ones are read, and decrypted, by another.
func receive(f *os.File, r io.Reader) (int64, release.Hash, error) {
	full, empty := make(chan []byte, piecesAhead), make(chan []byte, piecesAhead)
	for range piecesAhead {
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		empty <- *buf
	}
	w, sum := flusher{f: f}, sha256.New()
	var failed atomic.Bool
	done := make(chan error, 1)
	go func() {
		var err error
		for piece := range full {
			if err == nil {
				sum.Write(piece)
				var n int
				n, err = f.Write(piece)
				w.wrote(n)
				failed.Store(err != nil)
			}
			empty <- piece[:cap(piece)]
		}
		done <- err
	}()
	var err error
	for err == nil && !failed.Load() {
		buf := <-empty
		var n int
		n, err = io.ReadFull(r, buf)
		full <- buf[:n]
	}
	close(full)
	werr := <-done
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return w.written, release.Hash(sum.Sum(nil)), errors.Join(werr, err)
}

// hashWriter writes to a file and hashes at the same time, on two cores. sum must
// be called to end it.
type hashWriter struct {
	flusher
	hash   hash.Hash
	pieces chan []byte
	hashed chan struct{} // one for each piece
}

func newHashWriter(f *os.File) *hashWriter {
	w := &hashWriter{flusher: flusher{f: f}, hash: sha256.New(), pieces: make(chan []byte), hashed: make(chan struct{})}
	go func() {
		for piece := range w.pieces {
			w.hash.Write(piece)
			w.hashed <- struct{}{}
		}
		close(w.hashed)
	}()
	return w
}

// write takes one piece, which may be used again when it returns.
func (w *hashWriter) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	w.pieces <- b
	n, err := w.f.Write(b)
	<-w.hashed
	w.wrote(n)
	return err
}

// sum ends the hashing and returns the hash of all that was written.
func (w *hashWriter) sum() release.Hash {
	close(w.pieces)
	<-w.hashed
	return release.Hash(w.hash.Sum(nil))
}
