package proxy

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

const (
	// maxChunkLine bounds a line with a chunk's size and extensions, in bytes.
	maxChunkLine = 256
	// maxTrailerLine bounds a trailer field, in bytes.
	maxTrailerLine = 4096
	// maxTrailers bounds the number of trailer fields.
	maxTrailers = 64
)

// chunkReader reads a body in the chunked transfer coding (RFC 9112 section 7.1)
// from a connection. It is strict: hexadecimal digits without a prefix, CRLF and
// nothing else as line ends. Extensions are ignored. It reads no byte past the
// empty line after the trailers, though its connection's buffer may hold some.
type chunkReader struct {
	c       *conn
	left    int64 // of the present chunk's data, in bytes
	inside  bool  // a chunk was begun, so that its CRLF comes before the next
	ended   bool
	trailer http.Header
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.left == 0 && !r.ended {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	if r.ended {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.c.Read(p)
	r.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// next reads up to the beginning of the next chunk's data, or to the end.
func (r *chunkReader) next() error {
	if r.inside {
		switch _, err := r.c.line(len("\r\n")); {
		case errors.Is(err, ErrBadAnswer):
			return badAnswer("a chunk is longer than it says")
		case err != nil:
			return err
		}
		r.inside = false
	}
	line, err := r.c.line(maxChunkLine)
	if err != nil {
		return err
	}
	if r.left, err = chunkSize(line); err != nil {
		return err
	}
	if r.left > 0 {
		r.inside = true
		return nil
	}
	return r.trailers()
}

// chunkSize reads "size[ ;extensions]". A size has at most 15 digits, so that it
// fits an int64.
func chunkSize(line []byte) (int64, error) {
	var n int64
	i := 0
	for ; i < len(line); i++ {
		digit, ok := hexDigit(line[i])
		if !ok {
			break
		}
		if i == 15 {
			return 0, badAnswer("a chunk's size has more than 15 digits")
		}
		n = n<<4 | int64(digit)
	}
	if i == 0 {
		return 0, badAnswer("a chunk without a size")
	}
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	if i < len(line) && line[i] != ';' {
		return 0, badAnswer("a chunk's size has the byte 0x%02x", line[i])
	}
	for _, c := range line[i:] {
		if control(c) {
			return 0, badAnswer("a chunk's extension has the byte 0x%02x", c)
		}
	}
	return n, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// trailers reads the fields after the last chunk, up to their empty line.
func (r *chunkReader) trailers() error {
	var f fields // its head, what framing fields among them say, is of no effect
	for n := 0; ; n++ {
		line, err := r.c.line(maxTrailerLine)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if n == maxTrailers {
			return badAnswer("more than %d trailer fields", maxTrailers)
		}
		if f.header == nil {
			f.header = http.Header{}
		}
		if err := f.add(string(line)); err != nil {
			return err
		}
	}
	r.ended = true
	for name := range f.header {
		if notInTrailer[name] || strings.HasPrefix(name, "If-") {
			delete(f.header, name)
		}
	}
	if len(f.header) > 0 {
		r.trailer = f.header
	}
	return nil
}

// notInTrailer are fields that a recipient may act upon only when they come
// before the body: framing, routing, authentication, how to read the body (RFC
// 9110 section 6.5.1). Those that head's fields drop are not repeated here.
var notInTrailer = map[string]bool{
	"Authorization": true, "Cache-Control": true, "Content-Encoding": true, "Content-Range": true,
	"Content-Type": true, "Expect": true, "Host": true, "Location": true, "Max-Forwards": true, "Pragma": true,
	"Proxy-Authenticate": true, "Proxy-Authorization": true, "Range": true, "Set-Cookie": true, "Trailer": true,
	"Www-Authenticate": true,
}
