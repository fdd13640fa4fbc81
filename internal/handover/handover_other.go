//go:build !linux

package handover

import (
	"context"
	"errors"
	"net/netip"
)

// Handover is the moving of some addresses.
type Handover struct{}

// Prepare returns errors.ErrUnsupported.
func Prepare(context.Context, []netip.AddrPort) (*Handover, error) {
	return new(Handover), errors.ErrUnsupported
}

// Switch returns errors.ErrUnsupported.
func (*Handover) Switch() error { return errors.ErrUnsupported }

// Hold returns errors.ErrUnsupported.
func (*Handover) Hold() error { return errors.ErrUnsupported }

// Empty reports true: what is in the sockets is not known here.
func (*Handover) Empty() (bool, error) { return true, nil }

// Close does nothing.
func (*Handover) Close() error { return nil }
