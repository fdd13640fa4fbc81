package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns the inside of a value that is a string, escapes as they are
// written, and whether it is one.
func Text(value []byte) (inside []byte, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	return value[1 : len(value)-1], true
}

// Equal reports whether raw, the inside of a string of a scanned object, stands
// for text, which must be ASCII without control characters, quotes and
// backslashes. Half a surrogate pair equals nothing.
func Equal(raw []byte, text string) bool {
	n := 0
	for i := 0; i < len(raw); n++ {
		if n == len(text) {
			return false
		}
		c := rune(raw[i])
		i++
		if c == '\\' {
			// Of the short escapes only the solidus stands for a character
			// that text may have.
			switch raw[i] {
			case 'u':
				c, _ = hex4(raw[i+1:])
				i += 5
			case '/':
				c = '/'
				i++
			default:
				return false
			}
		}
		if c != rune(text[n]) {
			return false
		}
	}
	return n == len(text)
}

// DecodeRune takes the first character off raw, the inside of a string of a
// scanned object, which must not be empty. Half a surrogate pair and invalid
// UTF-8 become U+FFFD.
func DecodeRune(raw []byte) (r rune, rest []byte) {
	if raw[0] != '\\' {
		r, n := utf8.DecodeRune(raw)
		return r, raw[n:]
	}
	switch c := raw[1]; c {
	case 'b', 'f', 'n', 'r', 't':
		return rune("\b\f\n\r\t"[strings.IndexByte("bfnrt", c)]), raw[2:]
	case 'u':
		r, _ = hex4(raw[2:])
		raw = raw[6:]
		if !utf16.IsSurrogate(r) {
			return r, raw
		}
		if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
			low, _ := hex4(raw[2:])
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, raw[6:]
			}
		}
		return utf8.RuneError, raw
	default:
		return rune(c), raw[2:]
	}
}

func (s *Object) skipString() bool {
	if !s.accept('"') {
		return false
	}
	b, i := s.b, s.i
	for {
		i += plainLength(b[i:])
		if i >= len(b) {
			return false
		}
		switch b[i] {
		case '"':
			s.i = i + 1
			return true
		case '\\':
			s.i = i
			if !s.skipEscape() {
				return false
			}
			i = s.i
		default: // a control character
			return false
		}
	}
}

func (s *Object) skipEscape() bool {
	s.i++
	if s.i >= len(s.b) {
		return false
	}
	switch s.b[s.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return true
	case 'u':
		if _, ok := hex4(s.b[s.i+1:]); ok {
			s.i += 5
			return true
		}
	}
	return false
}

// plainLength returns how many bytes of b come before the first quote,
// backslash or control character. It looks at eight bytes at a time: most of a
// large body is the inside of strings.
func plainLength(b []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quote := w ^ '"'*ones
		slash := w ^ '\\'*ones
		// (x-n)&^x has the high bit set in each byte below n; bytes above the
		// first such one may be wrong, but only the first one is used.
		hit := ((w - 0x20*ones) &^ w) | ((quote - ones) &^ quote) | ((slash - ones) &^ slash)
		if hit &= highs; hit != 0 {
			return n + bits.TrailingZeros64(hit)/8
		}
	}
	for ; n < len(b); n++ {
		if c := b[n]; c < 0x20 || c == '"' || c == '\\' {
			return n
		}
	}
	return n
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		d, ok := HexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// HexDigit returns the value of a hexadecimal digit, and whether c is one.
func HexDigit(c byte) (byte, bool) {
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
