// Package store keeps the contents of files, each under the SHA-256 of its
// bytes: a blob. The same content, in many files or releases, is kept once.
//
// # On disk
//
//	<dir>/blobs/ab/cdef…   a blob; the name is its hash, the first two digits a folder
//	<dir>/tmp/…            what is being written
//
// # How it works
//
// A blob is written to tmp/, hashed on the way, compared with the hash and size
// that were promised, synced, renamed into its place, and its folder is synced.
// So what has a blob's name is that blob, whole and on the disk. Whoever sends
// something else, more or less than was promised gets an error, and nothing is
// kept. A [Batch] does the same for many blobs with few waits for the disk:
// files are synced some at a time, and each folder once.
//
// Reading does not hash again: the applier does, while it copies.
//
// # What fails, and what happens then
//
// After a crash tmp/ may hold parts of blobs; [Open] empties it. Blobs of a
// batch that was not committed are such parts. A blob that was damaged on the
// disk is found by who reads it; [Store.Drop] makes room for a good copy.
//
// # Bounds
//
// A blob has at most the size that its reader was promised to have. How many
// there are is up to the owner, who calls [Store.GC] with what it still needs.
package store
