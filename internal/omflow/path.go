package omflow

import (
	"unicode/utf8"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// pathBuffer is the room kept on the stack for a decoded path, in bytes.
// Longer paths are decoded too, into memory from the heap.
const pathBuffer = 256

// pathDoubt says how sure one can be that every program between the client
// and OMFLOW's URL table reads a path alike.
type pathDoubt uint8

const (
	// pathPlain is a path that all programs read alike.
	pathPlain pathDoubt = iota
	// pathUnclean has empty segments or dot segments. Django looks such a path
	// up as it is; a web server in front of Django may clean it first.
	pathUnclean
	// pathOdd has something in it that no link of OMFLOW's has: a path
	// parameter, an encoded slash or percent sign, a backslash, a control
	// character, a broken escape, bytes that are not UTF-8.
	pathOdd
)

// decodePath appends path to dst in the form that rules are compared with:
// percent-decoded once, as Django does, and with a slash at the end, because
// OMFLOW's /rest/ calls take both and for other URLs Django answers the slash
// that is missing with a redirect or an error and runs nothing.
func decodePath(dst []byte, path string) ([]byte, pathDoubt) {
	doubt := pathPlain
	raise := func(d pathDoubt) { doubt = max(doubt, d) }
	if path == "" || path[0] != '/' {
		raise(pathOdd)
	}
	wide := false
	segment := 0 // where the segment being read begins in dst
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			if d, ok := unhex(path, i+1); ok {
				c = d
				i += 2
				if c == '/' || c == '%' {
					raise(pathOdd)
				}
			} else {
				raise(pathOdd)
			}
		}
		switch {
		case c == '/':
			if len(dst) > 0 && dotSegment(dst[segment:]) {
				raise(pathUnclean)
			}
			dst = append(dst, c)
			segment = len(dst)
			continue
		case c < 0x20 || c == 0x7f || c == '\\' || c == ';' || c == '?' || c == '#':
			raise(pathOdd)
		case c >= utf8.RuneSelf:
			wide = true
		}
		dst = append(dst, c)
	}
	if segment < len(dst) || len(dst) == 0 {
		if dotSegment(dst[segment:]) {
			raise(pathUnclean)
		}
		dst = append(dst, '/')
	}
	if wide && !utf8.Valid(dst) {
		raise(pathOdd)
	}
	return dst, doubt
}

// unhex returns the byte that two hexadecimal digits at s[i:] stand for.
func unhex(s string, i int) (byte, bool) {
	if i+1 >= len(s) {
		return 0, false
	}
	hi, ok1 := jsonscan.HexDigit(s[i])
	lo, ok2 := jsonscan.HexDigit(s[i+1])
	return hi<<4 | lo, ok1 && ok2
}

// dotSegment reports whether a segment is empty, "." or "..".
func dotSegment(seg []byte) bool {
	switch len(seg) {
	case 0:
		return true
	case 1:
		return seg[0] == '.'
	case 2:
		return seg[0] == '.' && seg[1] == '.'
	}
	return false
}

// cleanPath appends to dst what the most eager program would make of a decoded
// path: backslashes are slashes, path parameters and control characters are
// dropped, empty and dot segments are resolved (RFC 3986 §5.2.4).
func cleanPath(dst, path []byte) []byte {
	dst = append(dst, '/')
	segment := len(dst)
	params := false
	for i := 0; i <= len(path); i++ {
		c := byte('/')
		if i < len(path) {
			c = path[i]
		}
		switch {
		case c == '/' || c == '\\':
			params = false
			switch seg := dst[segment:]; {
			case len(seg) == 2 && dotSegment(seg):
				dst = parentFolder(dst[:segment])
			case dotSegment(seg):
				dst = dst[:segment]
			default:
				dst = append(dst, '/')
			}
			segment = len(dst)
		case c == ';':
			params = true
		case params || c < 0x20 || c == 0x7f:
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// parentFolder takes the last segment off a path that ends with a slash; the
// root is its own parent.
func parentFolder(dst []byte) []byte {
	end := len(dst) - 1
	for end > 0 && dst[end-1] != '/' {
		end--
	}
	return dst[:max(end, 1)]
}
