package proxy

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// bodyWriter writes a large body while the answer is waited for: a server that
// refuses a body answers without reading it, and may wait for its answer to be
// read before it goes on.
type bodyWriter struct {
	done chan struct{}
	err  error // may be read once done is closed
}

// startBodyWriter begins to write the body. The writing ends when it is whole,
// the connection is closed or ended, or the server takes nothing for timeout.
func startBodyWriter(c *conn, b *Body, timeout time.Duration) *bodyWriter {
	w := &bodyWriter{done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.err = w.write(c, b, timeout)
		if errors.Is(w.err, ErrBodyFile) {
			c.end() // the server waits for the rest, and the answer would be waited for
		}
	}()
	return w
}

func (w *bodyWriter) write(c *conn, b *Body, timeout time.Duration) error {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	body, left := b.Reader(), b.Size()
	for left > 0 {
		n, err := body.Read(buf[:])
		if n > 0 {
			left -= int64(n)
			if _, err := c.Write(buf[:n]); err != nil {
				return err
			}
			c.extend(time.Now(), timeout)
		}
		switch {
		case err == nil || left == 0:
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: %d bytes of it are gone", ErrBodyFile, left)
		default:
			return fmt.Errorf("%w: %w", ErrBodyFile, err)
		}
	}
	return nil
}

// ended reports whether the writing is over, so that err may be read.
func (w *bodyWriter) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}
