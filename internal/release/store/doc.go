// Package store keeps the contents of files, each under the SHA-256 of its
// bytes: a blob. The same content, in many files or releases, is kept once.
//
// # On disk
//
//	<dir>/blobs/ab/cdef…   a blob; the name is its hash, the first two digits a folder
//	<dir>/packs/…          blobs of up to 64 KiB, those of a batch in one file
//	<dir>/tmp/…            what is being written
//
// # How it works
//
// A blob is written to tmp/, hashed on the way, compared with the hash and size
// that were promised, synced, renamed into its place, and its folder is synced.
// So what has a blob's name is that blob, whole and on the disk. Whoever sends
// something else, more or less than was promised gets an error, and nothing is
// kept.
//
// A [Batch] does the same for many blobs with few waits for the disk. The small ones
// go into one file, a pack: to make a file costs a file system fifty times what it
// costs to write 4 kB. A pack is the contents one after the other, then a list of
// hash, place and size of each, then the number of them, the hash of that list, and
// eight letters. [Open] reads the lists, and the Store keeps them in memory, about 100
// bytes a blob. The others are files of their own, which can be copied within the
// kernel; they are synced some at a time, and each folder once.
//
// Who reads a large file for its hash has an [Intake] write it at the same time; if it
// turns out to be wanted, [Batch.PutFile] has nothing to read any more. It can be opened
// before that, so that others can have it early.
//
// Reading does not hash again: the applier does, while it copies, and
// [Store.OpenSound] does, before others are sent it, unless the blob is [Blob.Fresh].
//
// # What fails, and what happens then
//
// After a crash tmp/ may hold parts of blobs; [Open] empties it. Blobs of a
// batch that was not committed, or of an Intake, are such parts. An Intake that nobody
// puts is let go after a minute, or when there are eight newer ones. A blob that was damaged on the
// disk is found by who reads it; [Store.Drop] makes room for a good copy. What is in a
// pack whose list is damaged is missing, and the file stays for a person to look at.
//
// # Bounds
//
// A blob has at most the size that its reader was promised to have. How many
// there are is up to the owner, who calls [Store.GC] with what it still needs.
package store
