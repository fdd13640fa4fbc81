package omflow

import (
	"bytes"
	"strings"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

// maxDecodes is how often a path is percent-decoded in search of a hole. Django
// decodes once; a web server before it may decode once more.
const maxDecodes = 4

// Refuses reports whether a request would use one of two holes of OMFLOW Server
// (measured on OMFLOW 1.1.0.0), and so must not reach one; its answer is Forbidden.
// rawQuery is the query as the client sent it, without the question mark. The URLs and
// settings named here are those of the built-in profile.
//
//   - /accounts/api/agree/get/ answers any system setting to anyone, without a login,
//     the password of the LDAP account included. Only the two texts that the
//     registration page asks for, PI_agree and SU_agree, and pool_max_worker, which
//     health checks ask for, may pass; no page asks for anything else, signed in or
//     not, and a cookie proves nothing to the front door. The question must be
//     clear, see clearQuestion: what OMFLOW might read differently is refused, so is
//     a body that was not seen whole. Classify asks for the body by NeedsBody; before
//     it was looked at, such a request is refused.
//   - /api/history-files/download/ followed by ".." or "//" or, on Windows, a backslash
//     or a drive reads any file to anyone who is signed in, settings.py included. See
//     safeName for what is refused.
//
// Both hold under /rest/ too, and for every method, since OMFLOW runs the same view
// for all. A spelling of these URLs that has to be cleaned or decoded twice to become
// one of them is refused whatever it asks for, and so is every other doubtful path
// with the word history-files: no link is spelled so.
//
// It keeps nothing of the request and allocates nothing for paths of less than 256
// bytes. A table made with PlainTable refuses nothing.
func (t *Table) Refuses(r *Request, rawQuery string) bool {
	agree, history := t.repairs.AgreeGet, t.repairs.HistoryFiles
	if !agree && !history || t.harmless(r.Path) {
		return false
	}
	p := t.profile
	var buf, cleanBuf [pathBuffer]byte
	path, doubt := decodePath(buf[:0], r.Path)
	known := true // the path was one of history's from the first decoding on
	for decodes := 1; ; decodes++ {
		inner := t.belowREST(path)
		known = known && history && hasPrefix(inner, p.HistoryFiles.Path)
		switch {
		case known:
			if !safeName(inner[len(p.HistoryFiles.Path):], decodes == 1) || decodes == maxDecodes {
				return true
			}
		case agree && string(inner) == p.AgreeGet.Path:
			if doubt != pathPlain || !clearQuestion(r, rawQuery, &p.AgreeGet) {
				return true
			}
		case doubt != pathPlain:
			if history && bytes.Contains(path, []byte(p.HistoryFiles.Word)) ||
				t.isHole(cleanPath(cleanBuf[:0], path)) || t.isHole(cleanPath(cleanBuf[:0], beforeQuery(path))) {
				return true
			}
		}
		if doubt == pathPlain || decodes == maxDecodes {
			return false
		}
		n := len(path)
		if path = decodeAgain(path); len(path) == n {
			return false
		}
	}
}

// isHole reports whether a cleaned path is one of those that are watched.
func (t *Table) isHole(path []byte) bool {
	path = t.belowREST(path)
	return t.repairs.AgreeGet && string(path) == t.profile.AgreeGet.Path ||
		t.repairs.HistoryFiles && hasPrefix(path, t.profile.HistoryFiles.Path)
}

// harmless reports whether a path, as the client sent it, lacks one of the segments of
// each hole's path, and has nothing that makes one of them: an escape, or a control
// character that is dropped. It saves the decoding of nearly all paths.
func (t *Table) harmless(path string) bool {
	for i := range len(path) {
		if c := path[i]; c < ' ' || c == 0x7f || c == '%' {
			return false
		}
	}
	if t.repairs.HistoryFiles && strings.Contains(path, t.profile.HistoryFiles.Word) {
		return false
	}
	if !t.repairs.AgreeGet {
		return true
	}
	for _, word := range t.agreeWords {
		if !strings.Contains(path, word) {
			return true
		}
	}
	return false
}

// beforeQuery cuts a decoded path where a program would see a query or fragment in
// it: gunicorn takes a "#" for the beginning of one.
func beforeQuery(path []byte) []byte {
	if at := bytes.IndexAny(path, "?#"); at >= 0 {
		return path[:at]
	}
	return path
}

// decodeAgain percent-decodes a decoded path once more, in place.
func decodeAgain(path []byte) []byte {
	n := 0
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) {
			hi, ok1 := jsonscan.HexDigit(path[i+1])
			lo, ok2 := jsonscan.HexDigit(path[i+2])
			if ok1 && ok2 {
				c = hi<<4 | lo
				i += 2
			}
		}
		path[n] = c
		n++
	}
	return path[:n]
}
