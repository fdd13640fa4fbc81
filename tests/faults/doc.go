// Package faults holds what several OMFLOW Servers must do like one, as checks that
// are run through a front door.
//
// A [Promise] is a sentence and a check. Behind an ordinary round robin every one of
// them is broken, because OMFLOW keeps much in one process's memory and on one
// server's disk; the test of this package runs them there, on stand-ins, and expects
// each to be broken in its own way. Behind the booster they must hold: whoever has
// such a cluster fills a [Door] and runs the same checks.
//
// # Checks
//
// A check drives OMFLOW as its users do and compares with the database, which it
// reads past all servers. It returns nil when the promise holds, a [Broken] when it
// does not, and any other error when it could not find out, such as a front door that
// does not answer. A check needs nothing of other checks, takes its own titles for
// tickets, and undoes what it changed; those of one cluster must not run at the same
// time, because they share the user admin, who has one web session.
//
// A browser sticks to its server where the front door makes it. So that one check
// meets all servers it acts as many visitors at once: each has the user's session and
// no other cookie.
//
// # Time
//
// What should happen some time is waited for, for [Door.Patience] at most; what should
// not happen is watched for a few seconds. A whole round takes about a minute where
// the promises hold and less where they are broken.
package faults
