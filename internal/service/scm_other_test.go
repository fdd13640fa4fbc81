//go:build !windows

package service

import (
	"errors"
	"strings"
	"testing"
)

// TestElsewhere: who is not on Windows is told what to use.
func TestElsewhere(t *testing.T) {
	if _, err := Open(); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "systemctl enable --now omflow-agent") {
		t.Errorf("%v", err)
	}
}
