//go:build unix

package doctor

import "golang.org/x/sys/unix"

const errInUse = unix.EADDRINUSE
