package watch

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkName returns why a file or directory of this name cannot go to every
// server, or "". OMFLOW runs on Linux and on Windows, and a name that only one
// of them can hold would end a roll-out half way.
func checkName(name string) string {
	switch {
	case !utf8.ValidString(name):
		return "the name is not valid UTF-8"
	case strings.ContainsRune(name, '\\'):
		return "the name holds a backslash"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "the name holds a control character"
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return "the name ends with a dot or a space, which Windows drops"
	case reservedName(name):
		return "the name is reserved on Windows"
	}
	return ""
}

// reservedName knows the devices that Windows finds in every directory, with
// any extension ("Naming Files, Paths, and Namespaces", Microsoft Learn). Spaces
// before the extension count as none.
func reservedName(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	rest, ok := strings.CutPrefix(stem, "COM")
	if !ok {
		rest, ok = strings.CutPrefix(stem, "LPT")
	}
	if !ok {
		return false
	}
	switch rest {
	case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
		return true
	}
	return false
}

// fold returns the same string for all names that a system which ignores case
// takes for one (Unicode's simple case folding).
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			// K and S have a third form outside of ASCII, which is folded to
			// these two below.
			return r
		}
		low := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			low = min(low, next)
		}
		if 'A' <= low && low <= 'Z' {
			low += 'a' - 'A'
		}
		return low
	}, name)
}
