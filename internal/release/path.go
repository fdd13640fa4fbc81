package release

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// StagingDir is the folder at the top of a patched tree in which the applier
// prepares files. No release may hold anything in it, and a watcher leaves it
// out.
const StagingDir = ".omflow-staging"

const (
	// MaxPath bounds a path, in bytes.
	MaxPath = 1024
	// maxSegment bounds a name in a path: ext4, XFS and NTFS take no longer one.
	maxSegment = 255
)

// CheckPath tells why path may not be in a release; nil when it may. A path is
// relative to the top of the tree and separated by slashes.
//
// What one of the systems of a cluster can't hold is refused on all of them, so
// that every release fits every server: what Windows reserves (device names,
// the characters < > : " | ? *, names that end in a dot or a space, short names
// such as SETTIN~1.PY that stand for another file) is refused on Linux too. The
// list is that of "Naming Files, Paths, and Namespaces" in Microsoft's
// documentation of Win32.
func CheckPath(path string) error {
	switch {
	case path == "":
		return errors.New("empty path")
	case len(path) > MaxPath:
		return fmt.Errorf("path of %d bytes is longer than %d", len(path), MaxPath)
	case !utf8.ValidString(path):
		return fmt.Errorf("path %q is not UTF-8", path)
	case path[0] == '/':
		return fmt.Errorf("path %q is absolute", path)
	}
	first := true
	for segment := range strings.SplitSeq(path, "/") {
		if err := checkSegment(segment); err != nil {
			return fmt.Errorf("path %q: %w", path, err)
		}
		if first && strings.EqualFold(segment, StagingDir) {
			return fmt.Errorf("path %q is in the applier's own folder", path)
		}
		first = false
	}
	return nil
}

func checkSegment(s string) error {
	switch {
	case s == "":
		return errors.New("empty name")
	case s == "." || s == "..":
		return fmt.Errorf("%q is not a name", s)
	case len(s) > maxSegment:
		return fmt.Errorf("name of %d bytes is longer than %d", len(s), maxSegment)
	case strings.HasSuffix(s, ".") || strings.HasSuffix(s, " "):
		return fmt.Errorf("name %q ends in a dot or a space", s)
	case isDevice(s):
		return fmt.Errorf("name %q is a device on Windows", s)
	case isShortName(s):
		return fmt.Errorf("name %q may be another file's short name on Windows", s)
	}
	if isPlain(s) {
		return nil
	}
	for _, r := range s {
		switch {
		case r == '\\':
			return fmt.Errorf("backslash in name %q", s)
		case unicode.IsControl(r):
			return fmt.Errorf("control character in name %q", s)
		case strings.ContainsRune(`<>:"|?*`, r):
			return fmt.Errorf("character %q in name %q", r, s)
		}
	}
	return nil
}

// isPlain reports whether s has none but the characters that nearly all names have, so
// that the others need not be looked for. Manifests of thousands of files are checked
// several times on their way.
func isPlain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}

// isDevice reports whether Windows takes name for a device, which it does with
// any extension and with spaces before it.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.TrimRight(base, " ")
	if base == "" || len(base) > len("CONOUT$") || !strings.ContainsRune("ACLNPaclnp", rune(base[0])) {
		return false
	}
	base = strings.ToUpper(base)
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	if n, ok := strings.CutPrefix(base, "COM"); ok {
		return isPort(n)
	}
	n, ok := strings.CutPrefix(base, "LPT")
	return ok && isPort(n)
}

// isPort knows that Windows takes superscript digits for digits.
func isPort(s string) bool {
	return len(s) == 1 && s[0] >= '0' && s[0] <= '9' || s == "¹" || s == "²" || s == "³"
}

// isShortName reports whether s has the form of the 8.3 names that Windows
// makes for long ones: up to eight characters that end in ~ and digits, and an
// extension of up to three.
func isShortName(s string) bool {
	base, ext, _ := strings.Cut(s, ".")
	stem, digits, ok := strings.Cut(base, "~")
	if !ok || stem == "" || digits == "" || len(base) > 8 || len(ext) > 3 {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// FoldKey returns a string that is the same for all spellings of s that differ
// only by case (Unicode's simple folding): the smallest letter of each orbit, or
// the small one where that is ASCII, so that most paths are their own keys.
func FoldKey(s string) string {
	upper := false
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return strings.Map(foldRune, s)
		}
		upper = upper || 'A' <= s[i] && s[i] <= 'Z'
	}
	if !upper {
		return s
	}
	return strings.ToLower(s)
}

func foldRune(r rune) rune {
	least := r
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		least = min(least, o)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}
