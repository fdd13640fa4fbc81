// Package database looks at the database that OMFLOW Servers share: whether it
// answers, whether the account may do there what OMFLOW does, and what OMFLOW's
// flow queue has not finished. It writes a scratch table, and a few things of OMFLOW's,
// each in one statement that looks again whether it is still right: [DB.RemoveEnded],
// [DB.RunMissed], [DB.Restore] and [DB.SettlePauses].
//
// A [Target], read from a URL ([ParseURL]) or from Django's settings
// ([FromDjango]), is opened once ([Open]) and kept:
//
//   - [DB.Ping] asks the least; cheap enough for every two seconds.
//   - [DB.Check] does what OMFLOW and its migrations do, step by step, with the
//     time of each. For a step that failed its [Report] says what is missing and
//     the statement that an administrator runs to grant it. The scratch table
//     is dropped whatever happened, also when the check was cancelled; if even
//     that fails the report names it.
//   - [DB.Journal] reads table omflow_queuedata, in which an OMFLOW Server notes
//     each step of a flow before it queues it in memory, and deletes it when it
//     is done (OMFLOW 1.1.0.0). Rows tell no owner. [DB.RemoveEnded] deletes those
//     whose step had ended when its server was killed, as the ticket's own table
//     proves; see ended.go for what a killed server leaves.
//   - [DB.Stranded] finds tickets that run and that the journal has no row of, and makes
//     out of a ticket's own row which one it lacks; [DB.StillStranded] looks again, and
//     [DB.Restore] writes that.
//   - [DB.Schedules] reads table omflow_scheduler. [DB.RunMissed] has a schedule fired
//     once more, for a time at which nobody did: it adds a row that OMFLOW fires once,
//     at its next start, and whose mark keeps it from being added twice.
//     [DB.ForgetMissed] deletes such rows when they are old.
//   - [DB.Flows] reads which flows are deployed, [DB.Designs] what of their designs tells
//     whether they pause or call others.
//   - [DB.OverduePauses] finds tickets that wait in a pause which the lead server does not
//     know of. [DB.SettlePauses] puts right what a server that was killed has left twice
//     of a pause's beginning or end; see pauses.go for what that can be.
//
// # Tickets without a row of the journal
//
// A start of OMFLOW resumes what is in the journal (apps.py). A ticket has no row there
// until its first is written, and none between two steps: omengine.py (OMFLOW 1.1.0.0)
// deletes the old row before it writes the new one (do). If its server is killed right
// then, it runs for ever, and nobody can push it on: OMFLOW refuses to, for a ticket that
// runs. What proves it: its row runs, is neither history nor closed, the journal names it
// nowhere, and no pause that is to come names it. What is to be done follows from
// data_param, which a flow writes after each step and before it goes on to the next
// (updateFlowValue): the chart that the ticket has left, "from", the one that it was to go
// to, "to", and the row that it was in then. A copy of a row, which a form, an error or a
// branch makes, has the number of the row it was copied from.
//
//	killed                            what data_param says                    what is done
//	a new ticket, before its first    no row, no number, formdata still       the row is written: main, from "to",
//	row (startPoint)                  there                                   with the numbers, without formdata
//	  with attachments                mapping_id too: moved or not            told
//	  opened by a ticket's flow       outflow_content too: the opener's row   told
//	                                  may be there, and open another
//	between two steps (do)            its own row; "to" is a program, a       the row is written: pushSleepPoint,
//	                                  choice, a role, a flow within it, an    which goes on to "to" again; what leads
//	                                  end, or branches                        there changes nothing but the log
//	  to values (setform)             "to" is one that works nothing out      the same
//	                                  "to" is one that does                   told: it would from its own results
//	at the end, not yet closed        "to" is the end                         the same as between two steps
//	at the end of a flow within its   "to" is none, "from" is an end,         the row is written: main, from there
//	flow (content), before the flow   content is there
//	around it has gone on
//	  and after that                  "from" is the flow within it            as between two steps; told where "to" is
//	                                                                          a form or a pause, which it would pass
//	in the check of its data          preflow's charts                        as between two steps
//	(preflow_content)
//	pushed on by a person, or put     another row than its own                as between two steps, and told where
//	right after an error, before the                                          its data is to be checked first
//	step's row (updateOmData)
//	woken from a pause, before the    "to" is a pause and "from" no flow      as between two steps
//	step's row (pushSleepPoint)       within it: then it was made
//	while it waits for a ticket that  "to" is an outflow or inflow            nothing: it looks the same as long as
//	its flow has opened                                                       that one is at work
//	at the first step of a branch     async_main_ticket_id, or a copy whose   told: the row of the branching may be
//	                                  "to" is the branching                   there, and make all branches again
//	at a later step of a branch       as between two steps                    as between two steps
//	branches that met (collection)    data_param is no JSON                   told
//	to a form, to a pause             the old row goes last                   nothing is lost; see ended.go
//	branches not made yet; a branching, a form after a flow within it: after  not seen: no row of the ticket runs any
//	the old row became history                                                more
//
// Told are also tickets that were opened, or pushed on, more than 36 hours ago, and what
// can't be read. Lost for a restored ticket is what its step does after its row is made:
// the creator's own entry among the missions, and a service level's timer.
//
// # Engines
//
// PostgreSQL through pgx, MySQL and MariaDB through go-sql-driver/mysql, SQL
// Server through go-mssqldb, Oracle through go-ora, all behind database/sql and
// none with cgo. What differs between them, the driver's set-up, the SQL, the
// meaning of error codes and the statements that grant, is one value of dialect
// each. SQLite is refused by name: several servers cannot share it. SQL Server
// and Oracle were never run against; their SQL and error codes are from their
// manuals, their drivers were run against listeners that refuse, stay silent,
// close, answer garbage or turn a sign-in away.
//
// # What fails, and what then happens
//
// [Classify] tells by error codes whether a database is unreachable, refuses
// the sign-in, does not exist, lacks a right, a table, or takes no writes. An
// attempt to connect ends after 5 s, a ping or a look into the journal after
// 10 s, sooner if the caller's context does; names are looked up within that. A
// connection that died while it was kept, as after a restart of the database,
// is replaced within the same call. When the database is away, every call tries
// to connect anew and fails; nothing needs to be reset when it is back. What writes is
// never repeated: of an error it is not known whether it was done, and the next call
// finds out by itself.
//
// At most two connections are open, one of them idle, and for the time of a
// check one more.
//
// # Secrets
//
// A Target's password does not show however the Target is printed, logged or
// marshalled, errors of reading one say nothing of what might be a piece of it,
// and connection strings, which drivers like to quote, are kept out of errors.
//
// # Answers are not trusted
//
// Whatever listens on the address may answer anything. A driver that panics on
// it is caught while it connects, one that ignores its context is cut off by
// closing its connection, a message of PostgreSQL is bounded at 1 MB and
// Oracle's first packet is checked before the driver believes its length. After
// a sign-in the database is trusted as far as OMFLOW trusts it.
package database
