//go:build !linux

package drain

import "net"

// unread is of no use where no virtual IP can be.
func unread(net.Conn) bool { return false }
