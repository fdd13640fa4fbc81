// Package terminal asks a person at a terminal, with
// charm.land/huh: lists to choose from, a line to edit, a secret that is not
// shown. It draws on standard error, so that standard output stays the
// command's answer, and gives the terminal back as it was, also when the person
// gives up with Ctrl-C, which is [ErrGivenUp].
package terminal
