package release

import (
	"fmt"
	"strings"
)

// names is a set of files' paths of which no two may be the same on a system
// that ignores case, and none may be a folder that another lies in.
type names struct {
	// taken has, by FoldKey, every file and every folder above one.
	taken map[string]name
	// last is the folder of the path that was added last. Paths mostly come
	// sorted, so its parents needn't be looked up again.
	last string
}

type name struct {
	path string
	dir  bool
}

func newNames(files int) *names { return &names{taken: make(map[string]name, files)} }

// add puts path into the set. If it can't be there beside another path, it
// returns that other path, which may be a folder, and the set is unchanged.
func (n *names) add(path string) (with string, ok bool) {
	dir := folder(path)
	if dir != n.last {
		for d := dir; d != ""; d = folder(d) {
			if t, ok := n.taken[FoldKey(d)]; ok && (!t.dir || t.path != d) {
				return t.path, false
			}
		}
	}
	key := FoldKey(path)
	if t, ok := n.taken[key]; ok {
		return t.path, false
	}
	if dir != n.last {
		for d := dir; d != ""; d = folder(d) {
			n.taken[FoldKey(d)] = name{path: d, dir: true}
		}
		n.last = dir
	}
	n.taken[key] = name{path: path}
	return "", true
}

// folder returns the folder of path, "" for one at the top.
func folder(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ""
	}
	return path[:i]
}

// collision says how two paths that can't both be there stand in each other's
// way.
func collision(path, with string) error {
	switch {
	case path == with:
		return fmt.Errorf("path %q is there twice, or is a file and a folder", path)
	case strings.HasPrefix(path, with+"/"):
		return fmt.Errorf("path %q lies in %q, which is a file", path, with)
	default:
		return fmt.Errorf("path %q and %q are the same where case is ignored", path, with)
	}
}
