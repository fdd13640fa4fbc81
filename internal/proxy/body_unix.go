//go:build unix

package proxy

import "os"

// unlinkOpen takes the file's name away while it is open, so that it is gone
// even after a crash.
func unlinkOpen(f *os.File) { os.Remove(f.Name()) }

func removeClosed(*os.File) {}
