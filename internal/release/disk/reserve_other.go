//go:build !linux

package disk

import (
	"errors"
	"os"
)

// reserve can't be done here.
func reserve(*os.File, int64) error { return errors.ErrUnsupported }
