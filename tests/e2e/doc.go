// Package e2e proves, from outside and with real processes, what operators and
// users of a cluster rely on: that requests are spread and sessions stay, that a
// server that dies or hangs costs no read and repeats no create, that capacity is
// a limit, that drains, reloads and key changes go unnoticed, that a database that
// was away costs no ticket that was accepted, and that mistakes are refused in words
// that help.
//
// Each test runs a cluster of its own (see package harness) and says in its comment
// what it promises. `go test ./tests/e2e` builds the program first; the environment
// variable OMFLOW_BOOSTER_BINARY names one that was built already. The tests need
// Linux, take a few minutes and are skipped with -short.
package e2e
