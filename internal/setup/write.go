package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/aymanbagabas/go-udiff"
)

// maxFile bounds what is read of a file that exists already, in bytes.
const maxFile = 1 << 20

// Change is a file that is to be written, beside what is on the disk.
type Change struct {
	File
	// Exists says that there is a file of that name.
	Exists bool
	// Same says that there is nothing to write.
	Same bool
	// At is where the file is that is the same: its Path, or the installed one's.
	At string

	old []byte
}

// Compare holds a file against the disk. A unit that a package has installed in
// the folder installed, as it would be written, counts as the same; installed may
// be empty.
func Compare(f File, installed string) (Change, error) {
	c := Change{File: f}
	var err error
	if c.old, c.Exists, err = read(f.Path); err != nil {
		return c, fmt.Errorf("look at the %s that is there: %w", f.What, err)
	}
	if c.Exists {
		c.Same, c.At = bytes.Equal(c.old, f.Content), f.Path
		return c, nil
	}
	if filepath.Ext(f.Path) == ".service" && installed != "" {
		c.At = filepath.Join(installed, filepath.Base(f.Path))
		packaged, _, err := read(c.At)
		if err != nil {
			return c, fmt.Errorf("look at the installed %s: %w", f.What, err)
		}
		c.Same = bytes.Equal(packaged, f.Content)
	}
	return c, nil
}

func read(path string) (content []byte, exists bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case !info.Mode().IsRegular():
		return nil, true, fmt.Errorf("%s is no file", path)
	case info.Size() > maxFile:
		return nil, true, fmt.Errorf("%s is longer than %d bytes", path, maxFile)
	}
	content, err = os.ReadFile(path)
	return content, true, err
}

// secret is what may be a cluster key: 32 bytes in base64, of either alphabet. It
// may be a long path too; to hide that does no harm.
var secret = regexp.MustCompile(`[A-Za-z0-9+/_-]{42,}=*`)

// Diff shows what would change, as a unified diff. What may be a key is replaced
// by asterisks, and what a secret file holds is not shown at all.
func (c Change) Diff() string {
	if c.Secret {
		return "the " + c.What + " " + c.Path + " holds something else\n"
	}
	hide := func(text []byte) string { return secret.ReplaceAllString(string(text), "***") }
	return udiff.Unified(c.Path, c.Path+" (new)", hide(c.old), hide(c.Content))
}

// Write puts the file in its place: whole or not at all. Folders are made. If
// given is false the file could not be given to its Owner, who is unknown or whom
// only root may give files to, and belongs to whoever wrote it. A check that is
// not nil looks at the file before it gets its name; its error ends the attempt.
func (c Change) Write(check func(path string) error) (given bool, err error) {
	if given, err = c.write(check); err != nil {
		return given, fmt.Errorf("write the %s %s: %w", c.What, c.Path, err)
	}
	return given, nil
}

func (c Change) write(check func(string) error) (given bool, err error) {
	dir := filepath.Dir(c.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	// The end of the name stays: by it Caddy knows what kind of file it is. Nobody
	// but this user may read what CreateTemp makes.
	f, err := os.CreateTemp(dir, "new-*."+filepath.Base(c.Path))
	if err != nil {
		return false, err
	}
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(c.Content); err != nil {
		return false, err
	}
	if given = c.Owner == ""; !given {
		if given, err = chown(f, c.Owner); err != nil {
			return false, err
		}
	}
	if err := f.Chmod(c.Mode); err != nil {
		return given, err
	}
	if err := f.Sync(); err != nil {
		return given, err
	}
	if err := f.Close(); err != nil {
		return given, err
	}
	if check != nil {
		if err := check(f.Name()); err != nil {
			return given, err
		}
	}
	return given, os.Rename(f.Name(), c.Path)
}
