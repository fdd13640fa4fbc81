package watch

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// stamp is what the system says of a file without reading it. Whoever changes
// a file's content changes its stamp too, but for what [file.recheck] is about.
type stamp struct {
	size  int64
	mtime int64 // nanoseconds since 1970
	ctime int64 // on Linux: when content, name or mode changed; else mtime
	ino   uint64
	exec  bool
}

// dirID tells one directory from another. Zero where the system has no such
// numbers.
type dirID struct{ dev, ino uint64 }

// file is what is known of a file. Only the watcher's goroutine touches it. A
// file whose stamp changed gets a new one.
type file struct {
	path     string
	stamp    stamp
	seen     time.Time // when the stamp was found
	sum      [32]byte
	hashed   bool
	ahead    bool      // it was hashed before it had settled, and must be looked at once more
	recheck  time.Time // the hash may be older than the content; zero: it is not
	collides bool
	failure  string // why it could not be read
}

// dir is what is known of a directory.
type dir struct {
	path    string // "" is the root
	id      dirID
	home    uint64 // the device it was first found on
	files   []*file
	dirs    []*dir // both sorted by path
	refused []refusal

	collides bool
}

// refusal is a name that is not looked at, and why.
type refusal struct{ path, reason string }

func comparePath(f *file, path string) int   { return cmp.Compare(f.path, path) }
func compareDirPath(d *dir, path string) int { return cmp.Compare(d.path, path) }

func (d *dir) file(path string) *file {
	if i, ok := slices.BinarySearchFunc(d.files, path, comparePath); ok {
		return d.files[i]
	}
	return nil
}

func (d *dir) child(path string) *dir {
	if i, ok := slices.BinarySearchFunc(d.dirs, path, compareDirPath); ok {
		return d.dirs[i]
	}
	return nil
}

// find returns the directory at path below d, the root, or nil.
func (d *dir) find(path string) *dir {
	for i := 0; i <= len(path) && path != "" && d != nil; i++ {
		if i == len(path) || path[i] == '/' {
			d = d.child(path[:i])
		}
	}
	return d
}

// markCollisions finds names in one directory that differ by case only.
func markCollisions(d *dir) {
	first := make(map[string]*bool, len(d.files)+len(d.dirs))
	mark := func(path string, flag *bool) {
		_, name := cutPath(path)
		*flag = false
		if other, ok := first[fold(name)]; ok {
			*other, *flag = true, true
			return
		}
		first[fold(name)] = flag
	}
	for _, f := range d.files {
		mark(f.path, &f.collides)
	}
	for _, sub := range d.dirs {
		mark(sub.path, &sub.collides)
	}
}

// cutPath divides a path into its directory and its last segment.
func cutPath(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}
