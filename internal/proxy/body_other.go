//go:build !unix

package proxy

import "os"

// unlinkOpen does nothing where an open file can't be removed.
func unlinkOpen(*os.File) {}

func removeClosed(f *os.File) { os.Remove(f.Name()) }
