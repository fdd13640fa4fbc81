// Package schedule knows when OMFLOW Server's schedules are due, and which of them
// nobody has fired.
//
// # How OMFLOW fires schedules
//
// A server with the schedule thread loads all active schedules when it starts, works out
// when each is due next, and fires it then: it puts the work into a queue in its memory
// and writes the time that was due into the row's last_exec_time, within milliseconds
// (OMFLOW 1.1.0.0, schedule_monitor.py and schedule_base.py). What is due while no such
// server runs is treated in two ways:
//
//   - Daily, Monthly and Once go by next_exec_time, or by the time of their first
//     firing, also when that is past: they are fired by the next start.
//   - Secondly, Minutely, Hourly and Weekly go by the present: what was due before the
//     start is skipped, without a word. These are the ones that this package looks
//     after.
//
// Times are those of a clock on the wall: Python's datetime.now() without a zone, in
// TIME_ZONE. So are all times of this package, as a [time.Time] that names what the wall
// clock shows and UTC for want of a zone; [Wall] makes them. In an hour that a change to
// or from daylight saving time skips or repeats, OMFLOW fires as its wall clock shows,
// and so does this package.
//
// # What was missed
//
// [Missed] compares what was due around the end of a lead server with what was
// recorded. A time that was due after the end, and is not recorded, was missed: nobody
// can have fired it. One that was due at about the moment of the end may have been
// fired without a record, so it is not known, and must not be repeated. One that is
// recorded was fired.
//
// [Quiet] finds a moment to end or start a lead server at which nothing is due: a
// server that starts can't be told to skip what was fired for it meanwhile, so that
// nothing should be due until it has loaded its schedules.
//
// # What it can't know
//
// Whether a time that was due at about the end, and is not recorded, was fired. OMFLOW
// hands the work to its queue first and writes the record after that (put_flow_job in
// schedule_monitor.py), and the queue is in memory alone. So without a record the work was
// not handed over, or was begun, or was done. The only other trace is the ticket that the
// work opens, in the table of its flow: the user "system" opens it, as for other schedules
// and for flows that call this one, and nothing in it names the schedule or the time. That
// there is one proves nothing, then. So such a time is told to people and not fired again.
//
// A schedule whose period does not divide the minute, hour or day that its unit is part
// of begins anew at each start of a lead server. Of one that was not fired since, it is
// not known when it was due.
package schedule
