package doctor

import "golang.org/x/sys/windows"

// What the system says of an address that can't be listened at.
const (
	errInUse     = windows.WSAEADDRINUSE
	errNoAddress = windows.WSAEADDRNOTAVAIL
)
