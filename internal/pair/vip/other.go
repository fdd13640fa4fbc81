//go:build !linux

package vip

import (
	"errors"
	"fmt"
)

// Address exists on Linux only.
type Address struct{}

// Open fails with errors.ErrUnsupported.
func (c Config) Open() (*Address, error) {
	return nil, fmt.Errorf("virtual IP %s: only Linux machines can hold one; leave virtual_ip out and put DNS or a balancer that asks /.well-known/omflow/active in front: %w", c, errors.ErrUnsupported)
}

// Add is not reached where Open fails.
func (*Address) Add() error { return errors.ErrUnsupported }

// Remove is not reached where Open fails.
func (*Address) Remove() error { return errors.ErrUnsupported }

// Announce is not reached where Open fails.
func (*Address) Announce() error { return errors.ErrUnsupported }

// Hold is not reached where Open fails.
func (*Address) Hold([]uint16) (release func() error, err error) { return nil, errors.ErrUnsupported }

// Connections is not reached where Open fails.
func (*Address) Connections([]uint16) (Connections, error) {
	return Connections{}, errors.ErrUnsupported
}

// Reset is not reached where Open fails.
func (*Address) Reset([]uint16) (int, error) { return 0, errors.ErrUnsupported }

// Close is not reached where Open fails.
func (*Address) Close() error { return errors.ErrUnsupported }
