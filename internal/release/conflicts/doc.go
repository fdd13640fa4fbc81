// Package conflicts keeps the versions of files that lost: against another
// server's release that was numbered first, or against any release on a server
// where somebody had changed the file by hand. Nothing that anybody wrote is
// thrown away; a person looks at what is kept and removes it.
//
// # On disk
//
//	conflicts/<n>-<node>/<path>     a version from <node> that lost against release n
//	conflicts/<n>-<node>~2/<path>   another version of the same path, and so on
//	conflicts/unfinished.tmp        what is being written
//
// # What fails, and what happens then
//
// A version is written under another name, synced, and renamed, so after a crash
// it is there as a whole or not at all, and [Folder.Sweep] removes the rest. If
// it can't be kept, the caller must not go on to overwrite the file.
//
// Of one path, 100 versions are kept for one release and node.
package conflicts
