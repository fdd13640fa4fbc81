package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// copySize is the size of the pieces in which bodies are passed on, in bytes.
const copySize = 32 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// WriteHead puts the answer's fields into w's header, beside those that are
// there, and writes the head.
func (x *Exchange) WriteHead(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range x.Header {
		if old, ok := header[name]; ok && name != "Server" {
			values = append(old[:len(old):len(old)], values...)
		}
		header[name] = values
	}
	if x.Length >= 0 {
		header["Content-Length"] = []string{strconv.FormatInt(x.Length, 10)}
	}
	w.WriteHeader(x.Status)
}

// CopyBody passes the body on to w, and the trailers. An answer of unknown length
// is flushed after each piece, since it may be one that comes as things happen.
// The error is an *Error when the server failed and wraps ErrClient when the
// client did; in both cases the client must be shown that the body is cut, by the
// end of its connection.
func (x *Exchange) CopyBody(w http.ResponseWriter) error {
	if b := x.buffered(); b != nil {
		_, err := w.Write(b)
		return x.toClient(err)
	}
	if x.ended {
		return nil
	}
	flush := func() error { return nil }
	if x.Length < 0 {
		flusher := http.NewResponseController(w)
		flush = func() error {
			if err := flusher.Flush(); !errors.Is(err, http.ErrNotSupported) {
				return err
			}
			return nil
		}
	}
	if x.c.from == x.c.to { // the client need not wait for its head until something comes
		if err := flush(); err != nil {
			return x.toClient(err)
		}
	}
	// The buffer is used again only when the client took all of it, see toClient.
	buf := copyBuffers.Get().(*[copySize]byte)
	for !x.ended {
		n, err := x.Read(buf[:])
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return x.toClient(err)
			}
			if err := flush(); err != nil {
				return x.toClient(err)
			}
		}
		if err != nil && err != io.EOF {
			return err
		}
	}
	copyBuffers.Put(buf)
	for name, values := range x.Trailer() {
		for _, value := range values {
			w.Header().Add(http.TrailerPrefix+name, value)
		}
	}
	return nil
}

// toClient is about a write to the client. After one that failed, HTTP/2's writer may
// still be reading what it was given, so that the buffer of the connection must not get
// another answer.
func (x *Exchange) toClient(err error) error {
	if err == nil {
		return nil
	}
	x.broken = true
	return fmt.Errorf("%w: %w", ErrClient, err)
}
