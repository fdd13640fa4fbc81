package omflow

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

const (
	maxPatternLength = 1024 // bytes
	maxPatternStars  = 8
)

// pattern is a path pattern in the manner of Caddy's path matcher: literal
// pieces with a "*" between each two of them. A "*" at the beginning or the end
// stands for anything, even nothing; a "*" elsewhere for one or more
// characters, slashes among them. Case matters, as it does to Django. A slash
// at the end of path or pattern makes no difference.
type pattern struct {
	pieces [][]byte
}

// parsePattern checks a pattern and makes it ready for matching.
func parsePattern(s string) (pattern, error) {
	if err := checkPattern(s); err != nil {
		return pattern{}, fmt.Errorf("path pattern %q: %w", s, err)
	}
	if !strings.HasSuffix(s, "*") && !strings.HasSuffix(s, "/") {
		s += "/" // decoded paths end with a slash
	}
	var p pattern
	for piece := range strings.SplitSeq(s, "*") {
		p.pieces = append(p.pieces, []byte(piece))
	}
	return p, nil
}

func checkPattern(s string) error {
	switch {
	case s == "":
		return errors.New("is empty: write a path such as /rest/*")
	case len(s) > maxPatternLength:
		return fmt.Errorf("has %d bytes: at most %d are allowed", len(s), maxPatternLength)
	case s[0] != '/' && s[0] != '*':
		return errors.New("must begin with / or *")
	case strings.Contains(s, "**"):
		return errors.New("has two stars in a row: one matches slashes too")
	case strings.Count(s, "*") > maxPatternStars:
		return fmt.Errorf("has more than %d stars", maxPatternStars)
	case strings.ContainsAny(s, "?#"):
		return errors.New("must be a path without query or fragment")
	case strings.Contains(s, "%"):
		return errors.New("is compared with the decoded path: write the character itself instead of its % escape")
	case strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\uFFFD' }):
		return errors.New("has control characters or is not UTF-8")
	case strings.ContainsAny(s, "\\;"):
		return errors.New("must not have a backslash or a semicolon")
	}
	// The piece before the first slash is empty or a leading star; a slash at
	// the end leaves one empty segment that is no mistake.
	segments := strings.Split(strings.TrimSuffix(s, "/"), "/")
	for _, seg := range segments[1:] {
		if seg == "" || seg == "." || seg == ".." {
			return errors.New("must not have empty or dot segments")
		}
	}
	return nil
}

// match reports whether the pattern matches a path as decodePath gives it.
func (p pattern) match(path []byte) bool {
	last := len(p.pieces) - 1
	if last == 0 {
		return bytes.Equal(path, p.pieces[0])
	}
	if !bytes.HasPrefix(path, p.pieces[0]) {
		return false
	}
	rest := path[len(p.pieces[0]):]
	for i := 1; i < last; i++ {
		// The leftmost place is the best one: it leaves the most to the others.
		skip := p.starLength(i - 1)
		if len(rest) < skip {
			return false
		}
		at := bytes.Index(rest[skip:], p.pieces[i])
		if at < 0 {
			return false
		}
		rest = rest[skip+at+len(p.pieces[i]):]
	}
	end := p.pieces[last]
	return len(rest) >= p.starLength(last-1)+len(end) && bytes.HasSuffix(rest, end)
}

// starLength is the least number of characters that star i, the one after
// piece i, stands for.
func (p pattern) starLength(i int) int {
	leading := i == 0 && len(p.pieces[0]) == 0
	trailing := i == len(p.pieces)-2 && len(p.pieces[i+1]) == 0
	if leading || trailing {
		return 0
	}
	return 1
}
