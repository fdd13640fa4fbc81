package omflow

import (
	"bytes"
	"unicode/utf8"
)

// safeName reports whether the decoded rest of a history_files path, with a slash
// at its end, stays inside OMFLOW's folder of uploads. OMFLOW joins it to that folder
// with Python's os.path.join, which gives up the folder for a name that begins with
// a slash or, on Windows, with a drive ("C:"). Refused are
//
//   - a drive at the beginning,
//   - backslashes, which are slashes on Windows, and control characters,
//   - empty segments, and segments of nothing but dots and blanks, of which Windows
//     drops some; also with a path parameter ("..;x"), which some web servers drop,
//   - bytes that are not UTF-8, if first: what was decoded once must be UTF-8, while
//     of what was decoded again that can't be said.
//
// Other names pass, in any script, with dots, semicolons and percent signs in them.
func safeName(rest []byte, first bool) bool {
	if len(rest) == 0 {
		return true // no name: OMFLOW has no such URL
	}
	rest = rest[:len(rest)-1]
	if len(rest) == 0 {
		return false
	}
	if len(rest) > 1 && rest[1] == ':' || first && !utf8.Valid(rest) {
		return false
	}
	for len(rest) > 0 {
		segment := rest
		if at := bytes.IndexByte(rest, '/'); at >= 0 {
			segment, rest = rest[:at], rest[at+1:]
			if len(rest) == 0 {
				return false // two slashes at the end
			}
		} else {
			rest = nil
		}
		if !safeSegment(segment) {
			return false
		}
	}
	return true
}

func safeSegment(segment []byte) bool {
	if len(segment) == 0 {
		return false
	}
	for _, c := range segment {
		if c == '\\' || c < ' ' || c == 0x7f {
			return false
		}
	}
	name, _, params := bytes.Cut(segment, []byte(";"))
	if params && len(name) == 0 {
		return true
	}
	return len(bytes.Trim(name, ". ")) > 0
}
