package fleet

import "golang.org/x/sys/windows"

// How the kernel says that nobody listens, or can be reached, at an address. The
// constants of package syscall with the Unix names are never returned here.
const (
	errRefused   = windows.WSAECONNREFUSED
	errNoHost    = windows.WSAEHOSTUNREACH
	errNoNetwork = windows.WSAENETUNREACH
)
