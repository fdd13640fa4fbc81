package replica

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/disk"
)

// stamp is what the system says of a file without reading it.
type stamp struct {
	size, mtime, ctime int64
	inode              uint64
	exec               bool
}

// buffers are for copying and hashing.
var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// tree is the folder, open for one piece of work: it is opened anew each time, so
// that one which took its place is noticed, see openFolder, and that it can be unmounted
// in between.
type tree struct {
	disk.FS
	root *os.Root
}

func (c *Config) openTree() (*tree, error) {
	in, err := c.open(c.Root)
	if err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	root, err := os.OpenRoot(c.Root)
	if err != nil {
		_ = in.Close()
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	return &tree{FS: in, root: root}, nil
}

func (t *tree) Close() { _ = errors.Join(t.FS.Close(), t.root.Close()) } // nothing waits in them

// errOther: what is read or written now would be another folder's.
var errOther = errors.New("another folder is in its place; it is waited for")

// openFolder is openTree, for what the folder is to be changed by, or its changes taken
// from. It fails when another one is there, as below a file system that was unmounted: the
// watcher finds that out by its next rescan only, and what was put there until then would
// count as deleted when the folder is back, and what was deleted there as new.
func (r *Replica) openFolder() (*tree, error) {
	t, err := r.cfg.openTree()
	if err != nil {
		return nil, err
	}
	there, err := t.Lstat("look at the folder", ".")
	if err == nil && !r.watcher.Known(there) {
		err = errOther
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// straight refuses a name that leads through a link: the system would follow it to
// another place in the folder, and what is there is another file's.
func (t *tree) straight(name string) error {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		info, err := t.Lstat("look at the folder", name[:i])
		switch {
		case isGone(err):
			return nil // what is below is gone too
		case err != nil:
			return err
		case !info.IsDir() && !info.Mode().IsRegular():
			return fmt.Errorf("%q is a link, or no folder", name[:i])
		}
	}
	return nil
}

func (t *tree) makeStaging() error {
	err := t.Mkdir("make the staging folder", staging, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// stage writes what r has to a file in the staging folder, which is whole, on the
// disk and what e says when there is no error; else there is none.
func (t *tree) stage(name string, r io.Reader, e *Entry) (err error) {
	if err := t.makeStaging(); err != nil {
		return err
	}
	w, err := t.Create("create the file", name, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = t.Remove("remove the unfinished file", name) // else at the next start
		}
	}()
	sum := sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	// One byte more shows that there is no more.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, sum)}, struct{ io.Reader }{io.LimitReader(r, e.Size+1)}, *buf)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	switch {
	case err != nil:
		return fmt.Errorf("copy: %w", err)
	case n != e.Size:
		return &lieError{fmt.Sprintf("%d bytes or more came, not the %d that were promised", n, e.Size)}
	case release.Hash(sum.Sum(nil)) != e.SHA256:
		return &lieError{"the content has another hash than was promised"}
	}
	at := time.Unix(0, e.Time)
	if err := t.root.Chtimes(name, at, at); err != nil {
		return fmt.Errorf("set the time of the file: %w", err)
	}
	return t.Sync("sync the file", name)
}

// lieError is content that is not what its entry says.
type lieError struct{ what string }

func (e *lieError) Error() string { return e.what }

// parents makes the folders above name and returns the lowest one. Those that are
// new get the owner and the rights of the one that they are in.
func (t *tree) parents(name string) (fs.FileInfo, error) {
	dir := path.Dir(name)
	info, err := t.Lstat("look at the folder", dir)
	if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%q is no folder", dir)
	}
	if !errors.Is(err, fs.ErrNotExist) || dir == "." {
		return info, err
	}
	above, err := t.parents(dir)
	if err != nil {
		return nil, err
	}
	if err := t.Mkdir("make a folder", dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := t.like(dir, above, above.Mode().Perm()); err != nil {
		return nil, err
	}
	return t.Lstat("look at the folder", dir)
}

// like gives name the owner of the folder above it, and rights.
func (t *tree) like(name string, above fs.FileInfo, perm fs.FileMode) error {
	if err := t.Own("give it the folder's owner", name, above); err != nil {
		return err
	}
	return t.Chmod("set its rights", name, perm)
}

// mode is what a file in a folder of these rights gets: who may list it may read,
// who may make files in it may write, and an executable file may be executed by
// those who may read it.
func mode(folder fs.FileMode, exec bool) fs.FileMode {
	m := folder.Perm() & 0o666
	m |= 0o600
	if exec {
		m |= (m & 0o444) >> 2
	}
	return m
}

// hash reads a file.
func (t *tree) hash(name string) (size int64, h release.Hash, err error) {
	r, err := t.FS.Open("read the file", name)
	if err != nil {
		return 0, h, err
	}
	defer r.Close()
	sum := sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	size, err = io.CopyBuffer(struct{ io.Writer }{sum}, struct{ io.Reader }{r}, *buf)
	if err != nil {
		return 0, h, fmt.Errorf("read the file: %w", err)
	}
	return size, release.Hash(sum.Sum(nil)), nil
}

// prune removes the folders above name that are empty now.
func (t *tree) prune(name string) {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if t.Remove("remove an empty folder", dir) != nil {
			return // it isn't empty
		}
	}
}

// foldersAbove lists the folders in which the names lie, and those above, once
// each, with the folder itself.
func foldersAbove(names []string) []string {
	out := []string{"."}
	seen := map[string]bool{".": true}
	for _, name := range names {
		for dir := path.Dir(name); !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			out = append(out, dir)
		}
	}
	return out
}
