package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/omflow/booster/internal/durable"
)

// openAtOnce bounds how many files Sync holds open.
const openAtOnce = 64

// osFS is a folder of the operating system, opened as an os.Root.
type osFS struct {
	dir  string // for Free only
	root *os.Root
}

// Open opens a folder of the operating system, which must be there.
func Open(dir string) (FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &osFS{dir: dir, root: root}, nil
}

// labelled adds op to an error that has the name already.
func labelled(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", op, err)
}

func (o *osFS) Lstat(op, name string) (fs.FileInfo, error) {
	info, err := o.root.Lstat(name)
	return info, labelled(op, err)
}

func (o *osFS) ReadDir(op, name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.root.FS(), name)
	return entries, labelled(op, err)
}

func (o *osFS) Open(op, name string) (io.ReadCloser, error) {
	f, err := o.root.Open(name)
	if err != nil {
		return nil, labelled(op, err)
	}
	return f, nil
}

func (o *osFS) Create(op, name string, perm fs.FileMode) (io.WriteCloser, error) {
	f, err := o.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, labelled(op, err)
	}
	return &file{File: f, op: op}, nil
}

func (o *osFS) Reserve(op, name string, perm fs.FileMode, size int64) error {
	f, err := o.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return labelled(op, err)
	}
	err = errors.Join(reserve(f, size), f.Close())
	if err != nil {
		err = errors.Join(err, o.root.Remove(name))
	}
	return labelled(op, err)
}

func (o *osFS) Fill(op, name string) (io.WriteCloser, error) {
	f, err := o.root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return nil, labelled(op, err)
	}
	return &file{File: f, op: op}, nil
}

// file labels the errors of writing.
type file struct {
	*os.File
	op string
}

func (f *file) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	return n, labelled(f.op, err)
}

// ReadFrom implements io.ReaderFrom, for copies within the kernel.
func (f *file) ReadFrom(r io.Reader) (int64, error) {
	n, err := f.File.ReadFrom(r)
	return n, labelled(f.op, err)
}

// Close may be where a full network file system is told.
func (f *file) Close() error { return labelled(f.op, f.File.Close()) }

func (o *osFS) Chmod(op, name string, perm fs.FileMode) error {
	return labelled(op, o.root.Chmod(name, perm))
}

func (o *osFS) Own(op, name string, like fs.FileInfo) error {
	return labelled(op, own(o.root, name, like))
}

func (o *osFS) Mkdir(op, name string, perm fs.FileMode) error {
	return labelled(op, o.root.Mkdir(name, perm))
}

func (o *osFS) Rename(op, from, to string) error { return labelled(op, o.root.Rename(from, to)) }

func (o *osFS) Link(op, from, to string) error { return labelled(op, o.root.Link(from, to)) }

func (o *osFS) Remove(op, name string) error { return labelled(op, o.root.Remove(name)) }

func (o *osFS) RemoveAll(op, name string) error { return labelled(op, o.root.RemoveAll(name)) }

func (o *osFS) Sync(op string, names ...string) error {
	for len(names) > 0 {
		some := names[:min(openAtOnce, len(names))]
		names = names[len(some):]
		if err := o.sync(some); err != nil {
			return labelled(op, err)
		}
	}
	return nil
}

func (o *osFS) sync(names []string) (err error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close() // nothing was written through it
		}
	}()
	for _, name := range names {
		f, err := openToSync(o.root, name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotFolder) { // a folder above may be a file by now
			continue
		}
		if err != nil {
			return err
		}
		if f != nil {
			files = append(files, f)
		}
	}
	return durable.SyncAll(files)
}

func (o *osFS) Free(op string) (uint64, error) {
	n, err := free(o.dir)
	return n, labelled(op, err)
}

func (o *osFS) Close() error { return o.root.Close() }
