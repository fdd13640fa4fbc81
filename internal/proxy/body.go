package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	// bodyInMemory is the largest body that is kept in memory, in bytes.
	bodyInMemory = 1 << 20
	// smallBody is kept in memory even when all bodies together fill what they
	// may, and is the largest buffer that is kept for the next body, in bytes.
	smallBody = 16 << 10
	// firstBuffer is what a body's buffer begins with, in bytes.
	firstBuffer = 4 << 10
)

// Body is a request's body, read whole. A nil *Body is an empty one. Any number
// of goroutines may read it until it is closed.
type Body struct {
	mem    []byte
	pooled *[]byte // the buffer mem began with
	budget *budget
	held   int64 // of the budget, in bytes
	file   *os.File
	size   int64
}

var bodyBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, firstBuffer)
	return &b
}}

// ReadBody reads a body up to its end. length is what the client announced, in
// bytes, or -1; limit is how large it may be, where 0 means without limit. Past 1
// MB, or past 16 kB when the bodies of this process that are in memory fill 256
// MB, it is kept in a file in folder (or the system's, if that is empty).
//
// It returns nil for an empty body. The error is ErrBodyTooLarge for a body that
// is too large, wraps ErrBodyFile when this machine could not keep it, and else
// wraps the reader's error, io.ErrUnexpectedEOF for a body that is shorter than
// announced. What comes beyond length is not read. The caller must
// Close the body. How long the client may take is up to the reader.
func ReadBody(r io.Reader, length, limit int64, folder string) (*Body, error) {
	return readBody(r, length, limit, folder, processBudget)
}

func readBody(r io.Reader, length, limit int64, folder string, budget *budget) (*Body, error) {
	if length == 0 || r == nil {
		return nil, nil
	}
	if limit > 0 && length > limit {
		return nil, ErrBodyTooLarge
	}
	b := &Body{budget: budget, pooled: bodyBuffers.Get().(*[]byte)}
	b.mem = (*b.pooled)[:0]
	b.hold(int64(cap(b.mem)), true)
	in := bodySource{r: r, length: length, limit: limit}
	whole, err := b.readMemory(&in)
	if err == nil && !whole {
		err = b.readFile(&in, folder)
	}
	if err != nil || b.size == 0 {
		b.Close()
		return nil, err
	}
	return b, nil
}

// readMemory reads into memory up to the body's end. It reports false when the
// body is too large for that.
func (b *Body) readMemory(in *bodySource) (whole bool, err error) {
	for {
		if len(b.mem) == cap(b.mem) && !b.grow(in.length) {
			return false, nil
		}
		n, err := in.Read(b.mem[len(b.mem):cap(b.mem)])
		b.mem = b.mem[:len(b.mem)+n]
		b.size += int64(n)
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// grow makes room for more, as much as there already is: a length that was only
// announced reserves nothing. One byte more than may be in memory shows that the
// body is larger.
func (b *Body) grow(length int64) bool {
	most := int64(bodyInMemory)
	if length > bodyInMemory {
		most = smallBody // it is going to a file, so why wait?
	}
	now := int64(cap(b.mem))
	want := min(2*now, most+1)
	if length > now { // no more than it needs, and a byte to see its end with
		want = min(want, length+1)
	}
	if now > most || !b.hold(want-now, want <= smallBody) {
		return false
	}
	mem := make([]byte, now, want)
	copy(mem, b.mem)
	b.mem = mem
	return true
}

// readFile moves the body to a file and reads the rest of it there.
func (b *Body) readFile(in *bodySource, folder string) error {
	file, err := os.CreateTemp(folder, "omflow-body-*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBodyFile, err)
	}
	b.file = file
	unlinkOpen(file)
	if _, err := file.Write(b.mem); err != nil {
		return fmt.Errorf("%w: %w", ErrBodyFile, err)
	}
	b.dropMemory()
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := in.Read(buf[:])
		if n > 0 {
			b.size += int64(n)
			if _, err := file.Write(buf[:n]); err != nil {
				return fmt.Errorf("%w: %w", ErrBodyFile, err)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Size is the body's length in bytes.
func (b *Body) Size() int64 {
	if b == nil {
		return 0
	}
	return b.size
}

// Look returns the beginning of the body, at most n bytes. It is valid until
// Close and must not be changed.
func (b *Body) Look(n int) ([]byte, error) {
	if mem, ok := b.memory(); ok {
		return mem[:min(n, len(mem))], nil
	}
	p := make([]byte, min(int64(n), b.size))
	if _, err := b.file.ReadAt(p, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrBodyFile, err)
	}
	return p, nil
}

// Overwrite puts text in the place of as many bytes of the body. It must not run
// beside a request that sends the body.
func (b *Body) Overwrite(at int, text string) error {
	if at < 0 || int64(at)+int64(len(text)) > b.Size() {
		return fmt.Errorf("overwrite %d bytes at %d of a body of %d", len(text), at, b.Size())
	}
	if b.file == nil {
		copy(b.mem[at:], text)
		return nil
	}
	if _, err := b.file.WriteAt([]byte(text), int64(at)); err != nil {
		return fmt.Errorf("%w: write: %w", ErrBodyFile, err)
	}
	return nil
}

// memory returns the body if it is in memory.
func (b *Body) memory() ([]byte, bool) {
	switch {
	case b == nil:
		return nil, true
	case b.file == nil:
		return b.mem, true
	default:
		return nil, false
	}
}

// Reader returns a reader of the whole body. Several may be in use at once.
func (b *Body) Reader() io.Reader {
	if mem, ok := b.memory(); ok {
		return bytes.NewReader(mem)
	}
	return io.NewSectionReader(b.file, 0, b.size)
}

func (b *Body) hold(n int64, must bool) bool {
	if !b.budget.take(n, must) {
		return false
	}
	b.held += n
	return true
}

func (b *Body) dropMemory() {
	b.budget.give(b.held)
	b.held = 0
	if b.pooled != nil {
		if cap(b.mem) <= smallBody {
			*b.pooled = b.mem[:0]
		}
		bodyBuffers.Put(b.pooled)
	}
	b.mem, b.pooled = nil, nil
}

// Close frees the memory or the file. A nil Body may be closed, and one may be
// closed twice.
func (b *Body) Close() {
	if b == nil {
		return
	}
	b.dropMemory()
	if b.file != nil {
		b.file.Close()
		removeClosed(b.file)
		b.file = nil
	}
}
