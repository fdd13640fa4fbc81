package watch

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
)

// Entry is one file.
type Entry struct {
	// Path is below the root, with slashes.
	Path string
	// Size is in bytes.
	Size int64
	// SHA256 is the hash of the content.
	SHA256 [sha256.Size]byte
	// Exec tells that the owner may execute the file. On Windows, which keeps no
	// such bit, it is what the base says of that path.
	Exec bool
}

// Tree is the content of a folder at one moment. It never changes and may be
// used by many goroutines; nil is the empty tree. Directories are not kept:
// they are there because files are in them.
type Tree struct {
	entries []Entry // sorted by Path
	bytes   int64
}

// NewTree makes a tree of entries in any order. It refuses two of one path, but
// does not judge paths otherwise.
func NewTree(entries []Entry) (*Tree, error) {
	t := newTree(slices.Clone(entries))
	for i := 1; i < len(t.entries); i++ {
		if t.entries[i-1].Path == t.entries[i].Path {
			return nil, fmt.Errorf("make tree: %q is there twice", t.entries[i].Path)
		}
	}
	return t, nil
}

// newTree takes the entries over.
func newTree(entries []Entry) *Tree {
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
	t := &Tree{entries: entries}
	for i := range entries {
		t.bytes += entries[i].Size
	}
	return t
}

func (t *Tree) list() []Entry {
	if t == nil {
		return nil
	}
	return t.entries
}

// Len is the number of files.
func (t *Tree) Len() int { return len(t.list()) }

// Bytes is the size of all files together.
func (t *Tree) Bytes() int64 {
	if t == nil {
		return 0
	}
	return t.bytes
}

// All goes through the files in the byte order of their paths.
func (t *Tree) All() iter.Seq[Entry] { return slices.Values(t.list()) }

// Get finds the file at path.
func (t *Tree) Get(path string) (Entry, bool) {
	list := t.list()
	i, ok := t.search(path)
	if !ok {
		return Entry{}, false
	}
	return list[i], true
}

func (t *Tree) search(path string) (int, bool) {
	return slices.BinarySearchFunc(t.list(), path, func(e Entry, p string) int { return cmp.Compare(e.Path, p) })
}

// holds tells whether path is a file, or a directory with files in it.
func (t *Tree) holds(path string) bool {
	if _, ok := t.search(path); ok {
		return true
	}
	list := t.list()
	i, _ := t.search(path + "/")
	return i < len(list) && isBelow(list[i].Path, path)
}

// Equal tells whether both hold the same files.
func (t *Tree) Equal(other *Tree) bool { return slices.Equal(t.list(), other.list()) }

// Change is a settled set of changes.
type Change struct {
	// Tree is what the folder holds now.
	Tree *Tree
	// Added are files which the base does not have, Changed are the new entries
	// of files whose content or executable bit differ from the base, and Removed
	// are the base's entries of files which are gone. All are sorted by path. A
	// renamed file is one removed and one added.
	Added, Changed, Removed []Entry
}

// lost are the removed files whose content is not elsewhere in the folder: those that were
// moved are not, be it by a rename, or by a copy first, which the base may have already,
// and a removal later. Each file that is there stands for one removed one.
func (c *Change) lost() []Entry {
	if len(c.Removed) == 0 {
		return nil
	}
	there := make(map[[sha256.Size]byte]int, len(c.Removed))
	for i := range c.Removed {
		there[c.Removed[i].SHA256] = 0
	}
	for e := range c.Tree.All() {
		if n, ok := there[e.SHA256]; ok {
			there[e.SHA256] = n + 1
		}
	}
	var out []Entry
	for _, e := range c.Removed {
		if there[e.SHA256] > 0 {
			there[e.SHA256]--
			continue
		}
		out = append(out, e)
	}
	return out
}

func (c *Change) empty() bool { return len(c.Added)+len(c.Changed)+len(c.Removed) == 0 }

// compare tells how tree differs from base.
func compare(base, tree *Tree) Change {
	c := Change{Tree: tree}
	old, now := base.list(), tree.list()
	for len(old) > 0 || len(now) > 0 {
		switch {
		case len(old) == 0 || len(now) > 0 && now[0].Path < old[0].Path:
			c.Added, now = append(c.Added, now[0]), now[1:]
		case len(now) == 0 || old[0].Path < now[0].Path:
			c.Removed, old = append(c.Removed, old[0]), old[1:]
		default:
			if old[0] != now[0] {
				c.Changed = append(c.Changed, now[0])
			}
			old, now = old[1:], now[1:]
		}
	}
	return c
}
