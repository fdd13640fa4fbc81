// Package disk is the narrow door through which a tree of files is changed.
//
// [FS] is one folder. It is an os.Root below: whatever names and links are in
// it, nothing outside is read or written. Each method takes a label that says
// what the step is for. The label is in the step's error, and a test puts an FS
// of its own in between that makes a labelled step fail as on a full disk, or be
// the last one before a crash.
//
// Windows has no executable bit, gives files the rights of their folder and
// can't sync folders; there [ModesCount] is false and what can't be done is
// left out.
package disk
