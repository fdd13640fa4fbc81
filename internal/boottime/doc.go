// Package boottime is a clock for deadlines that two processes of one machine
// share, and for those that must not be missed while the machine sleeps.
//
// On Linux it is CLOCK_BOOTTIME: nanoseconds since the machine was started, the
// time in which it was suspended included. Nobody sets it, so it neither jumps
// with the wall clock nor is slewed out of step, and all processes read the
// same value. Elsewhere it is the process's own monotonic clock, which says
// nothing to another process.
package boottime
