// Package observe is for tests of what goes on beside them, in other goroutines,
// processes and connections: they wait until something has become so, and read what was
// written meanwhile.
//
// [Eventually] and [Succeeds] poll. What they wait for is expected to come; how long it
// takes says nothing, since the machine that runs the tests may be busy with others, or
// slow. They therefore wait for [Patience], which is far longer than anything takes that
// works, and only a test that fails waits so long. That something does not happen can't
// be found out this way: such a test has to make something else happen that comes after
// it, or to look at a clock of its own, as in a bubble of testing/synctest, whose clock
// these functions follow.
//
// A [Buffer] takes the log of what is tested, from any number of goroutines, and can be
// read while they write.
package observe
