// Package guard keeps a promise for a process that can no longer keep it: it
// was killed, or stands still.
//
// A process that has promised to stop something by a deadline can be prevented
// from it: SIGKILL, SIGSTOP, a machine that starves it. A guard is a second,
// small process, with no other work, that does the act when the deadline has
// passed. The holder of the promise moves the deadline on as long as it may.
// There are two kinds.
//
// # The lead guard
//
// It kills the process group of an OMFLOW Server whose lead lease has run out:
// two servers must never run schedules at a time. The deadline lies in a small
// file, which outlives both processes: an agent that crashed and came back goes
// on where it was, and so does a guard. Holders use [OpenLead]:
//
//	lead, err := guard.OpenLead(guard.LeadConfig{File: file, Exe: exe, Args: args, Logger: log})
//	err = lead.Prepare()                  // a guard is there before the server starts
//	…start the server…
//	err = lead.Hold(pid, start, 9*time.Second) // at the start and at each renewal
//	err = lead.Release()                  // after the server was stopped
//	err = lead.Close()                    // the agent goes and leaves the server: the guard stays
//
// An agent that adopts a server which already runs calls Hold straight away. If
// Prepare or Hold fails nothing guards the server: the caller must not start
// it, or must stop it. Each Hold also starts a guard anew if the old one was
// killed.
//
// The file is one record of 56 bytes, rewritten in place by one write:
//
//	 0  magic "OMFLOWG" and the version 0x01
//	 8  state: 1 awaited, 2 held, 3 released
//	16  deadline, CLOCK_BOOTTIME in nanoseconds
//	24  process number
//	32  start time of the process, clock ticks after boot
//	40  CRC-32C of the machine's boot id
//	44  CRC-32C of what is before it
//	48  eight bytes of zero
//
// A record of another boot speaks of a process that is gone and has no effect.
// A record that is torn or damaged has no effect either: the last good one
// stays in force, deadline included, so that damage means an early end and
// never two leads. The process is known by number and start time and is watched
// through a pidfd (Linux 5.3), so that a stranger with the same number is left
// alone. When it has ended, others of its group may have been asked to end, too,
// and be at work still: what its supervisor leaves of them is killed at the
// deadline, or at once when the record speaks of another process or of none.
//
// One guard works for each file (a lock on it); a second one ends at once. A
// guard ends when the record says released, when the guarded process and its
// group are gone and its deadline has passed, or when it has waited for a minute
// for a record.
//
// What stays open: a crash of the holder between the start of the server and
// the first Hold leaves the server unguarded, for which its supervisor's record
// is there. A guard that takes another's place when the process has ended finds
// nothing of its group. A process in uninterruptible sleep can't be killed by anyone; the
// guard goes on trying each second and says so.
//
// # The address guard
//
// It takes a virtual IP off an interface when the booster that holds it is
// killed, or when its time as the active booster runs out and it does not say
// otherwise, as when it stands still. The kernel answers for an address that
// is there whether or not any process runs, so without a guard the address of a
// booster that was killed would be on two machines. Holders use [StartAddress]
// once and then [Address.Extend] with each new end of their time.
//
// The two are connected by a socket pair: the holder sends deadlines
// (CLOCK_BOOTTIME in nanoseconds, eight bytes, little-endian), the guard tells
// when it has taken the address off. The holder's death closes the connection
// and is noticed at once. The guard's death is noticed by the holder, which
// starts another; between the two the address is unguarded, but for the kernel,
// where it expires after some seconds (internal/pair/vip).
//
// How late a guard is after a deadline is how late the system's scheduler lets
// it run; where the right to it is given (CAP_SYS_NICE) it has the highest
// ordinary priority.
//
// # The guard process
//
// It is the same binary, started with a hidden command whose arguments are
// handed to [Main]. It has its own session, so that neither a terminal's
// Ctrl-C nor a signal to the holder's group reaches it; TERM, INT, HUP and
// PIPE are ignored, since a service manager that ends a crashed unit sends TERM
// to all that is left, and that is when the guard is needed. It writes what it
// does to the standard error that it inherits. A service manager may still kill
// it with the unit (systemd does, unless it says KillMode=process): then the
// server is killed with it.
//
// Only Linux has guards; elsewhere OpenLead and Main refuse with
// errors.ErrUnsupported. On Windows a server's job ends with its agent anyway.
package guard
