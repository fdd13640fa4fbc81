package omflow

import (
	"bytes"
	"strings"

	"github.com/omflow/booster/internal/omflow/jsonscan"
)

const (
	agreePath   = "/accounts/api/agree/get/"
	historyPath = "/api/history-files/download/"
	historyWord = "history-files"
)

// maxDecodes is how often a path is percent-decoded in search of a hole. Django
// decodes once; a web server before it may decode once more.
const maxDecodes = 4

// AllowAgreeGet lets every question to /accounts/api/agree/get/ pass. Refuses says
// what is refused without it. It must not run beside the Table's other methods.
func (t *Table) AllowAgreeGet() { t.agreeOpen = true }

// AllowHistoryPaths lets every path under /api/history-files/download/ pass. Refuses
// says what is refused without it. It must not run beside the Table's other methods.
func (t *Table) AllowHistoryPaths() { t.historyOpen = true }

// Refuses reports whether a request would use one of two holes of OMFLOW Server
// (measured on OMFLOW 1.1.0.0), and so must not reach one; its answer is Forbidden.
// rawQuery is the query as the client sent it, without the question mark.
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
	if !t.omflow || t.agreeOpen && t.historyOpen || harmless(r.Path) {
		return false
	}
	var buf, cleanBuf [pathBuffer]byte
	path, doubt := decodePath(buf[:0], r.Path)
	known := true // the path was one of history's from the first decoding on
	for decodes := 1; ; decodes++ {
		tail, isHistory := bytes.CutPrefix(belowRest(path), []byte(historyPath))
		known = known && isHistory
		switch {
		case known:
			if !t.historyOpen && (!safeName(tail, decodes == 1) || decodes == maxDecodes) {
				return true
			}
		case string(belowRest(path)) == agreePath:
			if !t.agreeOpen && (doubt != pathPlain || !clearQuestion(r, rawQuery)) {
				return true
			}
		case doubt != pathPlain:
			if !t.historyOpen && bytes.Contains(path, []byte(historyWord)) ||
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
	path = belowRest(path)
	return !t.agreeOpen && string(path) == agreePath ||
		!t.historyOpen && len(path) >= len(historyPath) && string(path[:len(historyPath)]) == historyPath
}

// harmless reports whether a path, as the client sent it, has none of the words that
// the holes' paths have, and nothing that makes one of them: an escape, or a control
// character that is dropped. It saves the decoding of nearly all paths.
func harmless(path string) bool {
	for i := range len(path) {
		if c := path[i]; c < ' ' || c == 0x7f || c == '%' {
			return false
		}
	}
	return !strings.Contains(path, "agree") && !strings.Contains(path, historyWord)
}

// belowRest returns the path that OMFLOW runs for a decoded path.
func belowRest(path []byte) []byte {
	if inner := underRest(path); inner != nil {
		return inner
	}
	return path
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
