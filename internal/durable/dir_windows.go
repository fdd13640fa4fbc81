package durable

// SyncDir does nothing: see the package's comment.
func SyncDir(string) error { return nil }
