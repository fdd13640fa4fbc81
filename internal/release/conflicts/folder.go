package conflicts

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/disk"
)

// Kept is a version of a file that lost and was kept aside.
type Kept struct {
	Number uint64       // of the release that won
	Origin string       // the node that the version is from
	Path   string       // in the tree
	File   string       // where it is kept, below the FS, with slashes
	SHA256 release.Hash // of the kept content; List leaves it out
	Size   int64        // bytes
	Time   time.Time    // when it was kept
}

// maxVersions bounds how many versions of one path are kept under one release:
// a tree that is changed and overwritten again and again is not for filling
// disks with.
const maxVersions = 100

// top is the folder's name.
const top = "conflicts"

// unfinished is where a version is written.
const unfinished = top + "/unfinished.tmp"

// Folder is the versions that a node keeps aside. All methods may be called
// concurrently.
type Folder struct {
	in disk.FS

	mu sync.Mutex // held by what writes
}

// New returns the folder "conflicts" in in. It is made when something is kept.
func New(in disk.FS) *Folder { return &Folder{in: in} }

// Keep keeps a version of the file at path that lost. r has its content; number
// is that of the release that won, origin the node that the version is from. The
// same content is kept once; another one of the same path goes under
// <number>-<origin>~2, ~3 and so on, up to 100.
func (f *Folder) Keep(number uint64, origin, path string, r io.Reader) (Kept, error) {
	if err := errors.Join(release.CheckPath(path), release.CheckOrigin(origin)); err != nil {
		return Kept{}, fmt.Errorf("keep version aside: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	k := Kept{Number: number, Origin: origin, Path: path, Time: time.Now().UTC()}
	if err := f.write(r, &k); err != nil {
		return Kept{}, fmt.Errorf("keep version of %q aside: %w", path, err)
	}
	if err := f.name(&k); err != nil {
		return Kept{}, fmt.Errorf("keep version of %q aside: %w", path, err)
	}
	return k, nil
}

// write copies r to the disk. Callers hold mu.
func (f *Folder) write(r io.Reader, k *Kept) error {
	if err := f.in.Mkdir("make conflicts folder", top, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.sweep(); err != nil {
		return err
	}
	w, err := f.in.Create("create kept file", unfinished, 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	k.Size, err = io.Copy(io.MultiWriter(w, h), struct{ io.Reader }{r})
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	k.SHA256 = release.Hash(h.Sum(nil))
	return f.in.Sync("sync kept file", unfinished)
}

// name gives what was written the first name that is free. Callers hold mu.
func (f *Folder) name(k *Kept) error {
	under := top + "/" + strconv.FormatUint(k.Number, 10) + "-" + k.Origin
	for i := 1; i <= maxVersions; i++ {
		k.File = under + "/" + k.Path
		if i > 1 {
			k.File = under + "~" + strconv.Itoa(i) + "/" + k.Path
		}
		switch had, err := f.place(k.File); {
		case err != nil:
			return err
		case had == k.SHA256:
			return f.sweep()
		case had.IsZero():
			if err := f.in.Rename("name kept file", unfinished, k.File); err != nil {
				return err
			}
			return f.in.Sync("sync conflicts folders", append(above(k.File), ".")...)
		}
	}
	return fmt.Errorf("%d versions are kept already", maxVersions)
}

// above lists the folders above name, the outermost first.
func above(name string) []string {
	var out []string
	for i := range len(name) {
		if name[i] == '/' {
			out = append(out, name[:i])
		}
	}
	return out
}

// Sweep removes what a crash left of Keep.
func (f *Folder) Sweep() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sweep()
}

func (f *Folder) sweep() error {
	err := f.in.Remove("remove unfinished kept file", unfinished)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// taken is the hash of a name that something else has than a file.
var taken = release.Hash{0: 0xff}

// place makes the folders above name. It returns the zero hash if name is free,
// the hash of the file that is there, or taken.
func (f *Folder) place(name string) (release.Hash, error) {
	for _, d := range above(name) {
		err := f.in.Mkdir("make conflicts folder", d, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return release.Hash{}, err
		}
		info, err := f.in.Lstat("look at conflicts folder", d)
		if err != nil {
			return release.Hash{}, err
		}
		if !info.IsDir() {
			return taken, nil
		}
	}
	info, err := f.in.Lstat("look for kept file", name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return release.Hash{}, nil
	case err != nil:
		return release.Hash{}, err
	case !info.Mode().IsRegular():
		return taken, nil
	}
	return f.hash(name)
}

func (f *Folder) hash(name string) (release.Hash, error) {
	r, err := f.in.Open("hash kept file", name)
	if err != nil {
		return release.Hash{}, err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return release.Hash{}, fmt.Errorf("hash kept file: %w", err)
	}
	return release.Hash(h.Sum(nil)), nil
}

// maxListed bounds what List returns.
const maxListed = 1000

// List lists what is kept aside, until a person has looked at it and
// removed the files. It stops at 1,000. Of a node whose name has a tilde, Origin
// is what is before it.
func (f *Folder) List() ([]Kept, error) {
	dirs, err := f.in.ReadDir("list conflicts", top)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Kept
	for _, dir := range dirs {
		number, origin, ok := strings.Cut(dir.Name(), "-")
		n, err := strconv.ParseUint(number, 10, 64)
		if !ok || err != nil || !dir.IsDir() {
			continue
		}
		if i := strings.LastIndexByte(origin, '~'); i > 0 {
			origin = origin[:i]
		}
		if out, err = f.list(out, Kept{Number: n, Origin: origin}, top+"/"+dir.Name(), ""); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (f *Folder) list(out []Kept, like Kept, dir, under string) ([]Kept, error) {
	entries, err := f.in.ReadDir("list conflicts", dir+under)
	if err != nil {
		return out, err
	}
	for _, e := range entries {
		if len(out) >= maxListed {
			return out, nil
		}
		name := under + "/" + e.Name()
		if e.IsDir() {
			if out, err = f.list(out, like, dir, name); err != nil {
				return out, err
			}
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // removed meanwhile
		}
		k := like
		k.Path, k.File = name[1:], dir+name
		k.Size, k.Time = info.Size(), info.ModTime().UTC()
		out = append(out, k)
	}
	return out, nil
}
