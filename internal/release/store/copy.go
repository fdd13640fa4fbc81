package store

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"sync/atomic"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
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

// piecesAhead is how many pieces may be read before they are hashed.
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

// hashWriter reads pieces, writes them to a file, and has another goroutine hash them
// at the same time, up to piecesAhead behind. sum must be called to end it.
type hashWriter struct {
	flusher
	failed  error // what the file refused; nothing is written to it after that
	hash    hash.Hash
	buffers []*[]byte
	empty   chan []byte // pieces that were hashed; who takes one has written it before
	pieces  chan []byte
	done    chan struct{}
}

func newHashWriter(f *os.File) *hashWriter {
	w := &hashWriter{
		flusher: flusher{f: f}, hash: sha256.New(),
		empty: make(chan []byte, piecesAhead), pieces: make(chan []byte, piecesAhead), done: make(chan struct{}),
	}
	for range piecesAhead {
		buf := buffers.Get().(*[]byte)
		w.buffers = append(w.buffers, buf)
		w.empty <- *buf
	}
	go func() {
		defer close(w.done)
		for piece := range w.pieces {
			w.hash.Write(piece)
			w.empty <- piece[:cap(piece)]
		}
	}()
	return w
}

// readFrom takes all that r has, and returns how much that is and what r failed with.
func (w *hashWriter) readFrom(r io.Reader) (total int64, err error) {
	for {
		piece := <-w.empty
		n, err := r.Read(piece)
		piece = piece[:n]
		w.pieces <- piece
		total += int64(n)
		if w.failed == nil && n > 0 {
			n, w.failed = w.f.Write(piece)
			w.wrote(n)
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// sum ends the hashing and returns the hash of all that was read.
func (w *hashWriter) sum() release.Hash {
	close(w.pieces)
	<-w.done
	for _, buf := range w.buffers {
		buffers.Put(buf)
	}
	return release.Hash(w.hash.Sum(nil))
}
