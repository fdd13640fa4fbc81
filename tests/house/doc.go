// Package house holds tests of the house itself: which package may import which,
// how large files are, that every package says what it is, and that the parts that
// name versions and modules agree.
package house
