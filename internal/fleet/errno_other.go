//go:build !windows

package fleet

import "syscall"

// How the kernel says that nobody listens, or can be reached, at an address.
const (
	errRefused   = syscall.ECONNREFUSED
	errNoHost    = syscall.EHOSTUNREACH
	errNoNetwork = syscall.ENETUNREACH
)
