package marks

// syncDir does nothing: Windows can't sync a directory, and NTFS keeps renames
// in its own journal.
func syncDir(string) error { return nil }
