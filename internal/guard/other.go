//go:build !linux

package guard

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Lead exists on Linux only.
type Lead struct{}

// OpenLead fails with errors.ErrUnsupported.
func OpenLead(LeadConfig) (*Lead, error) {
	return nil, fmt.Errorf("open lead guard: guard processes need Linux: %w", errors.ErrUnsupported)
}

// Prepare is not reached where OpenLead fails.
func (*Lead) Prepare() error { return errors.ErrUnsupported }

// Hold is not reached where OpenLead fails.
func (*Lead) Hold(int, uint64, time.Duration) error { return errors.ErrUnsupported }

// Release is not reached where OpenLead fails.
func (*Lead) Release() error { return errors.ErrUnsupported }

// Close is not reached where OpenLead fails.
func (*Lead) Close() error { return errors.ErrUnsupported }

// Address exists on Linux only.
type Address struct{}

// StartAddress fails with errors.ErrUnsupported.
func StartAddress(AddressConfig) (*Address, error) {
	return nil, fmt.Errorf("start address guard: guard processes need Linux: %w", errors.ErrUnsupported)
}

// Removed is not reached where StartAddress fails.
func (*Address) Removed() <-chan struct{} { return nil }

// Extend is not reached where StartAddress fails.
func (*Address) Extend(time.Duration) error { return errors.ErrUnsupported }

// Close is not reached where StartAddress fails.
func (*Address) Close() error { return errors.ErrUnsupported }

// Main fails: there is nothing to guard.
func Main([]string) int {
	fmt.Fprintln(os.Stderr, "guard processes need Linux")
	return 1
}
