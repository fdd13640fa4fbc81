//go:build unix

package pair

import (
	"errors"
	"os"
)

// syncDir makes a rename in the folder last over a power failure.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
