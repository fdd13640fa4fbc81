// Package procfs reads what Linux tells of a process and of this boot in /proc:
// enough to know a process again when its number may have gone to another one.
//
// A process is identified by its number, its start time and the machine's boot
// id together; the number alone is given away again. A process that is gone,
// or /proc that is not mounted, is an error of reading the file. Elsewhere than
// on Linux the package is empty.
package procfs
