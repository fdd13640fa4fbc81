// Package textdiff shows what a release changed: for each path a line that says
// what became of it and, for text, a unified diff.
//
// What is shown was written by others and ends on somebody's terminal, so only
// plain text is shown: UTF-8 without control characters but tab, line feed,
// form feed and carriage return. Everything else is said to be binary. Files over a
// size, and everything after the answer has reached one, are named and left
// out; a blob that this node doesn't have is said to be missing.
package textdiff
