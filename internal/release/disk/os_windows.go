package disk

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// ModesCount: Windows has no executable bit, so it is no difference there.
const ModesCount = false

// own does nothing: files take the rights of the folder that they are in.
func own(*os.Root, string, fs.FileInfo) error { return nil }

// openToSync returns nil for a folder, which Windows can't sync. A file must be
// open for writing.
func openToSync(root *os.Root, name string) (*os.File, error) {
	info, err := root.Lstat(name)
	if err != nil || info.IsDir() {
		return nil, err
	}
	return root.OpenFile(name, os.O_RDWR, 0)
}

func free(dir string) (uint64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var n uint64
	if err := windows.GetDiskFreeSpaceEx(p, &n, nil, nil); err != nil {
		return 0, &os.PathError{Op: "GetDiskFreeSpaceEx", Path: dir, Err: err}
	}
	return n, nil
}

// ErrNotFolder: a name was looked for in something that is no folder, which
// Windows reports like this.
var ErrNotFolder = windows.ERROR_DIRECTORY
