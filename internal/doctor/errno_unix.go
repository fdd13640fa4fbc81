//go:build unix

package doctor

import "golang.org/x/sys/unix"

// What the system says of an address that can't be listened at.
const (
	errInUse     = unix.EADDRINUSE
	errNoAddress = unix.EADDRNOTAVAIL
)
