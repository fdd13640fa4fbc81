package apply

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/omflow/booster/internal/release/disk"
)

// crash is the panic with which a fault ends the applier.
type crash struct{}

// fault says what happens at a step.
type fault int

const (
	kill    fault = iota // the process dies before the step; the system goes on
	power                // the machine dies before the step: what was not synced is gone
	reorder              // the same, but the newest change of each disk is not gone
	once                 // the step fails, and no other
	full                 // from the step on, nothing that needs space works
	broken               // from the step on, nothing works
)

// kills reports whether nothing goes on after the fault.
func (k fault) kills() bool { return k == kill || k == power || k == reorder }

// strike is a fault at the step with an index.
type strike struct {
	kind fault
	at   int
}

// faults counts the steps of all folders of one applier and strikes.
type faults struct {
	strikes []strike
	before  map[string]func() // what happens before a step
	free    uint64            // bytes on each disk; 0: as it is

	mu      sync.Mutex
	labels  []string
	changes []bool // which steps may leave something else on the disks
	dead    bool
	disks   []*faultyFS
}

// crashes lists the steps before which a crash finds another disk than before all others:
// the first one, and each that follows a change. What a step would only have looked at
// makes no difference to who starts again.
func (f *faults) crashes() []int {
	out := []int{0}
	for i := range f.labels[1:] {
		if f.changes[i] {
			out = append(out, i+1)
		}
	}
	return out
}

func (f *faults) open(dir string) (disk.FS, error) {
	in, err := disk.Open(dir)
	if err != nil {
		return nil, err
	}
	d := &faultyFS{FS: in, dir: dir, faults: f}
	f.disks = append(f.disks, d)
	return d, nil
}

// step is called before each operation that may change something. grows: it needs space
// on the disk.
func (f *faults) step(op string, grows bool) error { return f.next(op, true, grows) }

// look is called before each operation that changes nothing.
func (f *faults) look(op string) error { return f.next(op, false, false) }

func (f *faults) next(op string, changes, grows bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		panic(crash{})
	}
	if do := f.before[op]; do != nil {
		do()
	}
	i := len(f.labels)
	f.labels, f.changes = append(f.labels, op), append(f.changes, changes)
	var failed error
	for _, s := range f.strikes {
		switch {
		case s.kind.kills() && i == s.at:
			for _, d := range f.disks {
				d.lose(s.kind)
			}
			f.dead = true
			panic(crash{})
		case s.kind == once && i == s.at, s.kind == full && i >= s.at && grows:
			failed = fmt.Errorf("%s: %w", op, syscall.ENOSPC)
		case s.kind == broken && i >= s.at:
			failed = fmt.Errorf("%s: %w", op, syscall.EIO)
		}
	}
	return failed
}

// faultyFS is a folder with faults. It does not really sync, but knows what a
// loss of power would take.
type faultyFS struct {
	disk.FS
	dir    string
	faults *faults

	unsynced []change
}

// change is something that is not on the disk for sure.
type change struct {
	file   *string // its content is not; renames change it
	folder string  // a name in it is not, if file is nil
	revert func()
}

func (d *faultyFS) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

func (d *faultyFS) note(name string, revert func()) {
	d.unsynced = append(d.unsynced, change{folder: filepath.Dir(d.path(name)), revert: revert})
}

// lose reverts what a crash takes, newest first.
func (d *faultyFS) lose(kind fault) {
	gone := d.unsynced
	switch {
	case kind == kill:
		return
	case kind == reorder && len(gone) > 0:
		gone = gone[:len(gone)-1]
	}
	for _, c := range slices.Backward(gone) {
		c.revert()
	}
}

// saved returns a function that brings name back as it is now.
func (d *faultyFS) saved(name string) func() {
	path := d.path(name)
	info, err := os.Lstat(path)
	if err != nil {
		return func() { os.Remove(path) }
	}
	if info.IsDir() {
		return func() { os.Mkdir(path, info.Mode().Perm()) }
	}
	b, _ := os.ReadFile(path)
	return func() {
		os.Remove(path) // not to write into its other names
		os.WriteFile(path, b, info.Mode().Perm())
		os.Chmod(path, info.Mode().Perm())
		os.Chtimes(path, info.ModTime(), info.ModTime())
	}
}

func (d *faultyFS) Lstat(op, name string) (fs.FileInfo, error) {
	if err := d.faults.look(op); err != nil {
		return nil, err
	}
	return d.FS.Lstat(op, name)
}

func (d *faultyFS) ReadDir(op, name string) ([]fs.DirEntry, error) {
	if err := d.faults.look(op); err != nil {
		return nil, err
	}
	return d.FS.ReadDir(op, name)
}

func (d *faultyFS) Open(op, name string) (io.ReadCloser, error) {
	if err := d.faults.look(op); err != nil {
		return nil, err
	}
	return d.FS.Open(op, name)
}

func (d *faultyFS) Create(op, name string, perm fs.FileMode) (io.WriteCloser, error) {
	if err := d.faults.step(op, true); err != nil {
		return nil, err
	}
	w, err := d.FS.Create(op, name, perm)
	if err != nil {
		return nil, err
	}
	path := d.path(name)
	d.note(name, func() { os.Remove(d.path(name)) })
	d.unsynced = append(d.unsynced, change{file: &path, revert: func() { os.Truncate(path, 0) }})
	return &faultyFile{WriteCloser: w, op: op, faults: d.faults, grows: true}, nil
}

func (d *faultyFS) Reserve(op, name string, perm fs.FileMode, size int64) error {
	if err := d.faults.step(op, true); err != nil {
		return err
	}
	err := d.FS.Reserve(op, name, perm, size)
	if err == nil {
		path := d.path(name)
		d.note(name, func() { os.Remove(path) })
	}
	return err
}

// Fill needs no room: it is reserved.
func (d *faultyFS) Fill(op, name string) (io.WriteCloser, error) {
	if err := d.faults.step(op, false); err != nil {
		return nil, err
	}
	w, err := d.FS.Fill(op, name)
	if err != nil {
		return nil, err
	}
	path := d.path(name)
	d.unsynced = append(d.unsynced, change{file: &path, revert: func() { os.Truncate(path, 0) }})
	return &faultyFile{WriteCloser: w, op: op, faults: d.faults}, nil
}

type faultyFile struct {
	io.WriteCloser
	op     string
	faults *faults
	grows  bool
}

func (f *faultyFile) Write(b []byte) (int, error) {
	if err := f.faults.step(f.op+": write", f.grows); err != nil {
		n, werr := f.WriteCloser.Write(b[:len(b)/2])
		return n, errors.Join(err, werr)
	}
	return f.WriteCloser.Write(b)
}

func (f *faultyFile) Close() error {
	defer f.WriteCloser.Close()
	return f.faults.step(f.op+": close", f.grows)
}

func (d *faultyFS) Chmod(op, name string, perm fs.FileMode) error {
	if err := d.faults.step(op, false); err != nil {
		return err
	}
	return d.FS.Chmod(op, name, perm)
}

func (d *faultyFS) Own(op, name string, like fs.FileInfo) error {
	if err := d.faults.step(op, false); err != nil {
		return err
	}
	return d.FS.Own(op, name, like)
}

func (d *faultyFS) Mkdir(op, name string, perm fs.FileMode) error {
	if err := d.faults.step(op, true); err != nil {
		return err
	}
	err := d.FS.Mkdir(op, name, perm)
	if err == nil {
		path := d.path(name)
		d.note(name, func() { os.Remove(path) })
	}
	return err
}

func (d *faultyFS) Rename(op, from, to string) error {
	if err := d.faults.step(op, false); err != nil {
		return err
	}
	a, b := d.path(from), d.path(to)
	over := d.saved(to)
	same := false
	if x, err := os.Lstat(a); err == nil {
		if y, err := os.Lstat(b); err == nil {
			same = os.SameFile(x, y)
		}
	}
	err := d.FS.Rename(op, from, to)
	if err == nil && !same {
		var moved []*string
		for _, c := range d.unsynced {
			if c.file != nil && *c.file == a {
				*c.file = b
				moved = append(moved, c.file)
			}
		}
		d.note(to, func() {
			os.Rename(b, a)
			over()
			for _, file := range moved {
				*file = a
			}
		})
	}
	return err
}

func (d *faultyFS) Link(op, from, to string) error {
	if err := d.faults.step(op, true); err != nil {
		return err
	}
	err := d.FS.Link(op, from, to)
	if err == nil {
		path := d.path(to)
		d.note(to, func() { os.Remove(path) })
	}
	return err
}

func (d *faultyFS) Remove(op, name string) error {
	if err := d.faults.step(op, false); err != nil {
		return err
	}
	back := d.saved(name)
	err := d.FS.Remove(op, name)
	if err == nil {
		d.note(name, back)
	}
	return err
}

// RemoveAll is on the disk at once: what it removes must not be needed then.
func (d *faultyFS) RemoveAll(op, name string) error {
	if err := d.faults.step(op, false); err != nil {
		return err
	}
	path := d.path(name)
	d.unsynced = slices.DeleteFunc(d.unsynced, func(c change) bool {
		return within(c.folder, path) || c.file != nil && within(*c.file, path)
	})
	return d.FS.RemoveAll(op, name)
}

func within(name, dir string) bool {
	rel, err := filepath.Rel(dir, name)
	return name != "" && err == nil && filepath.IsLocal(rel)
}

func (d *faultyFS) Sync(op string, names ...string) error {
	if err := d.faults.step(op, true); err != nil {
		return err
	}
	for _, name := range names {
		path := d.path(name)
		d.unsynced = slices.DeleteFunc(d.unsynced, func(c change) bool {
			if c.file != nil {
				return *c.file == path
			}
			return c.folder == path
		})
	}
	return nil
}

func (d *faultyFS) Free(op string) (uint64, error) {
	if err := d.faults.look(op); err != nil {
		return 0, err
	}
	if d.faults.free > 0 {
		return d.faults.free, nil
	}
	return d.FS.Free(op)
}

func (d *faultyFS) Close() error { return d.FS.Close() }
