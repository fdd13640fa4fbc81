//go:build !windows

package gossip

import "syscall"

const errAddrInUse = syscall.EADDRINUSE
