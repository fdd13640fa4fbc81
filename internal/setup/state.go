package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// MakeState makes the unit's state folder, for the service's user alone. The unit would
// do so at its first start; but who looks with `booster omflow doctor` before that, as
// the service's user, would be told that it is not there and can't be made. Without the
// right to make or to give away a folder, and without that user, it is left to the unit.
func (p Plan) MakeState() error {
	dir := p.stateDir()
	if dir == "" {
		return nil
	}
	if err := makeFolder(dir, p.ServiceUser()); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	return nil
}

// makeFolder makes a folder that belongs to owner, or none. One that is there stays as
// it is.
func makeFolder(dir, owner string) (err error) {
	if err = os.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return err
	}
	given := false
	defer func() {
		if !given {
			err = errors.Join(err, os.Remove(dir))
		}
	}()
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	given, err = chown(f, owner)
	return err
}
