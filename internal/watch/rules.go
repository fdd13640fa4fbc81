package watch

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

// Bounds on Rules: each name in the folder is held against each pattern.
const (
	maxPatterns      = 1000
	maxPatternLength = 1024
)

// Rules say which files of a folder are looked at. A pattern is a path below
// the folder, with slashes on every system, in which
//
//	?        is any one character but the slash
//	*        is any number of characters but the slash
//	**       as a whole segment is any number of directories, none included
//	[a-z]    is one of these characters, [^a-z] one of the others
//
// As in .gitignore, a pattern without a slash before its end matches in every
// directory (*.pyc), others only from the top (/tmp.py, static/css), and a slash
// at the end keeps a pattern to directories (logs/). A pattern that matches a
// directory is about everything in it. Case matters on every system. There is no
// way to write a backslash or a brace, and none to negate.
type Rules struct {
	// Include: only what one of these matches is looked at. Default: all.
	Include []string
	// Exclude: what one of these matches is not looked at, Include or not.
	Exclude []string
}

// Validate tells which pattern cannot be used and why.
func (r Rules) Validate() error {
	_, err := r.compile()
	return err
}

// glob is one compiled pattern.
type glob struct {
	pattern string
	anyDir  bool   // holds against the last segment only
	dirOnly bool   // holds for directories only
	static  string // the part of an anchored pattern before its first wildcard
	literal bool   // static is the whole pattern
}

// ruleset is compiled Rules. It may be used by many goroutines.
type ruleset struct {
	include, exclude []glob
}

func (r Rules) compile() (*ruleset, error) {
	if n := len(r.Include) + len(r.Exclude); n > maxPatterns {
		return nil, fmt.Errorf("%d patterns: at most %d", n, maxPatterns)
	}
	var set ruleset
	for _, list := range []struct {
		what string
		from []string
		to   *[]glob
	}{{"include", r.Include, &set.include}, {"exclude", r.Exclude, &set.exclude}} {
		for _, p := range list.from {
			g, err := compileGlob(p)
			if err != nil {
				return nil, fmt.Errorf("%s %q: %w", list.what, p, err)
			}
			*list.to = append(*list.to, g)
		}
	}
	return &set, nil
}

func compileGlob(p string) (glob, error) {
	switch {
	case len(p) > maxPatternLength:
		return glob{}, fmt.Errorf("longer than %d bytes", maxPatternLength)
	case !utf8.ValidString(p):
		return glob{}, errors.New("not valid UTF-8")
	case strings.Contains(p, `\`):
		return glob{}, errors.New("holds a backslash: segments are divided by slashes")
	case strings.ContainsAny(p, "{}"):
		// The library knows them, but its time grows with the product of all
		// their words.
		return glob{}, errors.New("holds a brace: write one pattern for each word")
	case strings.ContainsFunc(p, unicode.IsControl):
		return glob{}, errors.New("holds a control character")
	}
	var g glob
	rest, dirOnly := strings.CutSuffix(p, "/")
	g.dirOnly = dirOnly
	rest, anchored := strings.CutPrefix(rest, "/")
	for seg := range strings.SplitSeq(rest, "/") {
		switch seg {
		case "":
			return glob{}, errors.New("holds an empty segment")
		case ".", "..":
			return glob{}, fmt.Errorf("holds the segment %q: paths begin at the folder", seg)
		}
	}
	if !doublestar.ValidatePattern(rest) {
		return glob{}, errors.New("a bracket is not closed")
	}
	g.pattern = rest
	if !anchored && !strings.Contains(rest, "/") {
		g.anyDir = true
		return g, nil
	}
	if i := strings.IndexAny(rest, "*?["); i < 0 {
		g.static, g.literal = rest, true
	} else if i = strings.LastIndexByte(rest[:i], '/'); i > 0 {
		g.static = rest[:i]
	}
	return g, nil
}

// match holds one path, not its ancestors, against the pattern.
func (g *glob) match(p string, isDir bool) bool {
	if g.dirOnly && !isDir {
		return false
	}
	switch {
	case g.anyDir:
		return doublestar.MatchUnvalidated(g.pattern, path.Base(p))
	case g.literal:
		return p == g.pattern
	case !strings.HasPrefix(p, g.static):
		return false
	}
	return doublestar.MatchUnvalidated(g.pattern, p)
}

// reaches tells whether something below the directory could match, though the
// directory itself does not.
func (g *glob) reaches(dir string) bool {
	if g.anyDir || g.static == "" || dir == "" {
		return true
	}
	if strings.HasPrefix(g.static, dir) && len(g.static) > len(dir) && g.static[len(dir)] == '/' {
		return true // on the way to the static part
	}
	return !g.literal && (dir == g.static || isBelow(dir, g.static))
}

// enter tells what to do with the directory dir, whose parent was entered:
// whether to look into it, and whether all that is in it is included. in is that
// answer for the parent.
func (r *ruleset) enter(dir string, in bool) (look, allIn bool) {
	if matchAny(r.exclude, dir, true) {
		return false, false
	}
	if in || len(r.include) == 0 || matchAny(r.include, dir, true) {
		return true, true
	}
	return slices.ContainsFunc(r.include, func(g glob) bool { return g.reaches(dir) }), false
}

// takes tells whether the file p is looked at; its directory was entered with
// the answer in.
func (r *ruleset) takes(p string, in bool) bool {
	return !matchAny(r.exclude, p, false) && (in || len(r.include) == 0 || matchAny(r.include, p, false))
}

// covers is takes for a file of which nothing else is known.
func (r *ruleset) covers(p string) bool {
	look, in := r.descend(path.Dir(p))
	return look && r.takes(p, in)
}

// concerns tells whether a change at p, which may be a file or a directory, or
// be gone, can matter.
func (r *ruleset) concerns(p string) bool {
	look, in := r.descend(path.Dir(p))
	if !look {
		return false
	}
	if r.takes(p, in) {
		return true
	}
	look, _ = r.enter(p, in)
	return look
}

// descend enters one directory after the other down to dir.
func (r *ruleset) descend(dir string) (look, in bool) {
	look, in = r.enterRoot()
	if dir == "." || dir == "" {
		return look, in
	}
	for i := 0; i <= len(dir) && look; i++ {
		if i == len(dir) || dir[i] == '/' {
			look, in = r.enter(dir[:i], in)
		}
	}
	return look, in
}

// enterRoot is enter for the folder itself, which no pattern is held against.
func (r *ruleset) enterRoot() (look, in bool) { return true, len(r.include) == 0 }

func matchAny(globs []glob, p string, isDir bool) bool {
	for i := range globs {
		if globs[i].match(p, isDir) {
			return true
		}
	}
	return false
}

// isBelow tells whether p lies inside the directory dir.
func isBelow(p, dir string) bool {
	return len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir
}
