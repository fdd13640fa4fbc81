package disk

import (
	"io"
	"io/fs"
)

// FS is one folder. Each method takes op, a label that says what the step is
// for; it is in the errors.
//
// Names are relative to the folder, with slashes. No method leaves it, whatever
// links there are. Methods may be called concurrently.
type FS interface {
	// Lstat describes name itself, not what a link points to.
	Lstat(op, name string) (fs.FileInfo, error)
	// ReadDir lists a folder, sorted by name.
	ReadDir(op, name string) ([]fs.DirEntry, error)
	// Open opens a file for reading.
	Open(op, name string) (io.ReadCloser, error)
	// Create makes a file, which must not be there, for writing. perm is before
	// the umask.
	Create(op, name string, perm fs.FileMode) (io.WriteCloser, error)
	// Reserve makes a file, which must not be there, of that many bytes, for which the
	// disk is sure to have room. perm is before the umask. The error matches
	// errors.ErrUnsupported, and there is no file, where the system can't do that.
	Reserve(op, name string, perm fs.FileMode, size int64) error
	// Fill opens a reserved file to write its content, from the beginning on.
	Fill(op, name string) (io.WriteCloser, error)
	// Chmod sets the permission bits.
	Chmod(op, name string, perm fs.FileMode) error
	// Own gives name the owner and group of like, if this process may do that:
	// a server that runs as another user must be able to use its files.
	Own(op, name string, like fs.FileInfo) error
	// Mkdir makes a folder. perm is before the umask.
	Mkdir(op, name string, perm fs.FileMode) error
	// Rename moves a file, also over another one.
	Rename(op, from, to string) error
	// Link gives a file a second name, which must not be taken.
	Link(op, from, to string) error
	// Remove removes a file or an empty folder.
	Remove(op, name string) error
	// RemoveAll removes name and what is in it, if it is there.
	RemoveAll(op, name string) error
	// Sync brings files (their content) and folders (the names in them) to the
	// disk, some at a time. What is not there is left out.
	Sync(op string, names ...string) error
	// Free returns how many bytes may still be written.
	Free(op string) (uint64, error)
	// Close ends the use of the folder.
	Close() error
}
