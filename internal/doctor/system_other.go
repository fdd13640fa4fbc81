//go:build !linux

package doctor

import (
	"errors"
	"fmt"
)

func clockSynced() (bool, error) {
	return false, fmt.Errorf("only on Linux it can be asked: %w", errors.ErrUnsupported)
}

func maxWatches() (uint64, error) {
	return 0, fmt.Errorf("only Linux has such a limit: %w", errors.ErrUnsupported)
}
