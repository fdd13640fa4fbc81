// Package durable writes files that are whole after a crash: the old content or
// the new one, never a part, and the new one once the call has returned.
//
// The steps are the usual ones: write a temporary file in the same folder, sync
// it, rename it over the old one, sync the folder. If one fails, the old file
// is as it was and the temporary one is removed; after a crash it may stay, and
// [Sweep] removes it.
//
// Syncing many files one after the other costs a journal commit each; [SyncAll]
// does some at a time, so that a file system commits them together.
// [StartFlush] has the system begin while a long file is still being written.
//
// A file that can't be read all the same, since a disk or somebody has damaged it, must not
// stop a start for ever: [KeepDamaged] keeps it beside, and its owner makes it anew of what
// else it knows.
//
// Windows can't sync a folder; NTFS keeps renames in its own journal.
package durable
