package watch

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// listChunk is how many names are taken from a directory at a time, so that one
// with millions is noticed before it is in memory.
const listChunk = 1024

// errTooMany ends a scan at Config.MaxFiles.
var errTooMany = errors.New("too many files")

// scanner brings directories up to date with the disk.
type scanner struct {
	cfg     *Config
	rules   *ruleset
	now     time.Time
	left    int // how many names may still be taken
	watches *watchList
	cache   map[string]cached

	changed map[string]bool // directories in which something differs from before
}

// full brings everything below root, which lies open at h, up to date.
func (s *scanner) full(h *os.Root, root *dir) error {
	_, in := s.rules.enterRoot()
	return s.scan(h, root, 0, in, true)
}

// partial brings one directory up to date; deep: and all below it. It fails when
// the path no longer leads to a directory that can be read.
func (s *scanner) partial(h *os.Root, root *dir, path string, deep bool) error {
	d := root.find(path)
	if d == nil {
		return nil // its parent is brought up to date as well, and finds it
	}
	depth := 0
	if path != "" {
		for name := range strings.SplitSeq(path, "/") {
			sub, err := openDir(h, name)
			if depth > 0 {
				h.Close()
			}
			if err != nil {
				return fmt.Errorf("open %s: %w", path, err)
			}
			h = sub
			depth++
		}
		defer h.Close()
	}
	look, in := s.rules.descend(path)
	if !look {
		return nil
	}
	return s.scan(h, d, depth, in, deep)
}

// nearest is partial; when the directory is gone or cannot be read, the one above
// it learns that.
func (s *scanner) nearest(h *os.Root, root *dir, path string, deep bool) error {
	for {
		err := s.partial(h, root, path, deep)
		if err == nil || path == "" || errors.Is(err, errTooMany) {
			return err
		}
		// What is there and cannot be read is refused when it is entered.
		deep = !errors.Is(err, fs.ErrNotExist)
		path, _ = cutPath(path)
	}
}

// openDir opens a directory, and nothing that a symbolic link leads to.
func openDir(parent *os.Root, name string) (*os.Root, error) {
	before, err := parent.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, errors.New("is no directory")
	}
	h, err := parent.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	// os.Root keeps inside the parent, but there it follows links; one may have
	// come between the two calls.
	if after, err := h.Stat("."); err != nil || !os.SameFile(before, after) {
		h.Close()
		return nil, errors.New("was replaced while it was opened")
	}
	return h, nil
}

// scan replaces what is known of d, which lies open at h.
func (s *scanner) scan(h *os.Root, d *dir, depth int, in, deep bool) error {
	info, err := h.Stat(".")
	if err != nil {
		return fmt.Errorf("look at the directory: %w", err)
	}
	d.id = idOf(info)
	if d.home == 0 {
		d.home = d.id.dev
	}
	// The watch comes first: what happens after the listing makes an event.
	s.watches.add(d.path, d.id)
	next := dir{path: d.path}
	var enter []*dir
	if err := s.list(h, func(name string) {
		if sub := s.take(h, d, &next, name, depth, in, deep); sub != nil {
			enter = append(enter, sub)
		}
	}); err != nil {
		return err
	}
	slices.SortFunc(next.files, func(a, b *file) int { return cmp.Compare(a.path, b.path) })
	for _, f := range d.files {
		if next.file(f.path) == nil {
			s.changed[d.path] = true
		}
	}
	slices.SortFunc(next.dirs, func(a, b *dir) int { return cmp.Compare(a.path, b.path) })
	for _, sub := range d.dirs {
		if next.child(sub.path) == nil {
			s.changed[d.path] = true
			s.drop(sub)
		}
	}
	for _, sub := range enter {
		reason, err := s.enter(h, sub, depth+1, in)
		if err != nil {
			return err
		}
		if reason != "" {
			next.refused = append(next.refused, refusal{sub.path, reason})
			next.dirs = slices.DeleteFunc(next.dirs, func(x *dir) bool { return x == sub })
			s.drop(sub)
		}
	}
	markCollisions(&next)
	d.files, d.dirs, d.refused = next.files, next.dirs, next.refused
	return nil
}

// list calls yield for each name in the directory.
func (s *scanner) list(h *os.Root, yield func(name string)) error {
	f, err := h.Open(".")
	if err != nil {
		return fmt.Errorf("open the directory: %w", err)
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(listChunk)
		if s.left -= len(names); s.left < 0 {
			return errTooMany
		}
		for _, name := range names {
			yield(name)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list the directory: %w", err)
		}
	}
}

// take puts one name of the directory d into next, and returns a directory that
// must be looked into.
func (s *scanner) take(h *os.Root, d, next *dir, name string, depth int, in, deep bool) *dir {
	path := name
	if d.path != "" {
		path = d.path + "/" + name
	}
	refuse := func(reason string) *dir {
		next.refused = append(next.refused, refusal{path, reason})
		return nil
	}
	info, err := h.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since it was listed
	}
	isDir := err == nil && info.IsDir()
	takes := s.rules.takes(path, in)
	if isDir {
		takes, _ = s.rules.enter(path, in)
	} else if !takes && (err != nil || !info.Mode().IsRegular()) {
		takes, _ = s.rules.enter(path, in) // a link, perhaps in a directory's place
	}
	if !takes {
		return nil
	}
	if err != nil {
		return refuse(readFailure(err))
	}
	if len(path) > s.cfg.MaxPath {
		return refuse(fmt.Sprintf("the path is longer than %d bytes", s.cfg.MaxPath))
	}
	if reason := checkName(name); reason != "" {
		return refuse(reason)
	}
	switch mode := info.Mode(); {
	case isDir:
		if depth >= s.cfg.MaxDepth {
			return refuse(fmt.Sprintf("lies more than %d directories deep", s.cfg.MaxDepth))
		}
		sub := d.child(path)
		known := sub != nil && sub.id == idOf(info)
		if sub == nil {
			sub = &dir{path: path}
			s.changed[d.path] = true
		}
		next.dirs = append(next.dirs, sub)
		if known && !deep {
			return nil
		}
		return sub
	case !mode.IsRegular():
		return refuse(kind(mode))
	case info.Size() > s.cfg.MaxFileSize:
		return refuse(fmt.Sprintf("is larger than %d bytes", s.cfg.MaxFileSize))
	}
	st := stampOf(info)
	f := d.file(path)
	if f == nil || f.stamp != st {
		s.changed[d.path] = true
		if f != nil {
			path = f.path // one string for both
		}
		f = &file{path: path, stamp: st, seen: s.now}
		if c, ok := s.cache[path]; ok && c.stamp == st {
			f.sum, f.hashed = c.sum, true
		}
	} else if deep {
		f.failure = "" // is tried again
	}
	next.files = append(next.files, f)
	return nil
}

// enter looks into a directory. The reason says why it cannot be looked into;
// an error ends the scan.
func (s *scanner) enter(parent *os.Root, d *dir, depth int, in bool) (reason string, err error) {
	_, name := cutPath(d.path)
	h, err := openDir(parent, name)
	if err != nil {
		return readFailure(err), nil
	}
	defer h.Close()
	_, in = s.rules.enter(d.path, in)
	// Whatever is in a directory that was not known, or is another now, is new.
	err = s.scan(h, d, depth, in, true)
	if errors.Is(err, errTooMany) {
		return "", err
	}
	if err != nil {
		return readFailure(err), nil
	}
	return "", nil
}

// drop forgets the watches of a directory that is no longer looked at.
func (s *scanner) drop(d *dir) {
	s.watches.remove(d.path)
	for _, sub := range d.dirs {
		s.drop(sub)
	}
}

// kind names what is no file and no directory.
func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "is a symbolic link"
	case mode&fs.ModeDevice != 0:
		return "is a device"
	case mode&fs.ModeNamedPipe != 0:
		return "is a named pipe"
	case mode&fs.ModeSocket != 0:
		return "is a socket"
	}
	return "is neither a file nor a directory"
}

// readFailure is an error without the path, which stands before it already.
func readFailure(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return "cannot be read: " + pe.Err.Error()
	}
	return "cannot be read: " + err.Error()
}
