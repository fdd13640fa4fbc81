package watch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// writerOpen tells whether any process has f open for writing. Windows refuses
// to open a file without FILE_SHARE_WRITE while somebody writes to it. The
// handle is closed at once; who opens the file for writing in between is refused
// with a sharing violation, which is why only files that were quiet are asked
// about.
func writerOpen(f *os.File) (bool, error) {
	name, err := windows.UTF16PtrFromString(f.Name())
	if err != nil {
		return false, fmt.Errorf("look for a writer: %w", err)
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_DELETE,
		nil, windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	switch {
	case err == nil:
		return false, windows.CloseHandle(h)
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION), errors.Is(err, windows.ERROR_LOCK_VIOLATION):
		return true, nil
	}
	return false, fmt.Errorf("look for a writer: %w", err)
}
