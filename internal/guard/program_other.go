//go:build !linux

package guard

import (
	"fmt"
	"os"
)

// Program returns the path of this very program.
func Program() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return exe, nil
}
