package proxy

import (
	"fmt"
	"io"
)

// bodySource reads a client's body and holds it against what was announced and
// what is allowed.
type bodySource struct {
	r             io.Reader
	length, limit int64 // as for ReadBody
	got           int64
	idle          int // reads in a row that brought nothing
}

// maxIdleReads bounds the reads in a row that bring nothing and no error.
const maxIdleReads = 100

// Read returns io.EOF at the end of the body.
func (s *bodySource) Read(p []byte) (int, error) {
	if s.length > 0 {
		p = p[:min(int64(len(p)), s.length-s.got)]
	}
	n, err := s.r.Read(p)
	s.got += int64(n)
	switch {
	case s.limit > 0 && s.got > s.limit:
		return n, ErrBodyTooLarge
	case s.got == s.length:
		return n, io.EOF
	case err == io.EOF && s.length > 0:
		err = io.ErrUnexpectedEOF
	case err == io.EOF:
		return n, io.EOF
	case n > 0:
		s.idle = 0
	case err == nil:
		if s.idle++; s.idle == maxIdleReads {
			err = io.ErrNoProgress
		}
	}
	if err != nil {
		return n, fmt.Errorf("read the request's body: %w", err)
	}
	return n, nil
}
