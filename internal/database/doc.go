// Package database looks at the database that OMFLOW Servers share: whether it
// answers, whether the account may do there what OMFLOW does, and what OMFLOW's
// flow queue has not finished. It writes a scratch table, and a few things of OMFLOW's,
// each in one statement, or one transaction, that looks again whether it is still right, or
// by a proof that nothing undoes:
// [DB.RemoveEnded], [DB.RunMissed], [DB.Restore] and [DB.SettlePauses].
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
//     proves, and mends those that a start would misread; see ended.go and
//     ended_replay.go for what a killed server leaves.
//   - [DB.Stranded] finds tickets that run and that the journal has no row of, and makes
//     out of the tickets' own rows what it lacks; [DB.StillStranded] looks again, and
//     [DB.Restore] writes that.
//   - [DB.Created] reads which tickets of a flow were opened lately, and what their forms
//     say.
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
// A row of the journal can make OMFLOW go on in three ways, and each is what a server that
// lives would have done next. main goes on from a chart. pushSleepPoint goes on to "to"
// again: what leads there changes nothing but the log; it passes forms and pauses. Back is
// main at an end, with the ticket's data as content, as if it came back from a flow within
// its flow: so it goes on from any chart to any other; from the start, where that does
// nothing but write down data_param, and from a branching, where that begins one branch.
//
//	killed                            what the rows say                       what is done
//	a new ticket, before its first    no row, no number, formdata still       main, from "to", with the numbers,
//	row (startPoint)                  there                                   without formdata
//	  with attachments                mapping_id too: moved or not            told
//	between two steps (do)            its own row; "to" is a program, a       pushSleepPoint
//	                                  choice, a role, a flow within it, an
//	                                  end, a branching
//	  to values (setform)             "to" is one that works nothing out      pushSleepPoint
//	                                  "to" is one that does                   told: it would from its own results
//	at the end, not yet closed        "to" is the end                         pushSleepPoint
//	at the end of a flow within its   "to" is none, "from" is an end,         main, from there
//	flow (content), before the flow   content is there
//	around it has gone on
//	  and after that                  "from" is the flow within it            as between two steps; back where "to"
//	                                                                          is a form or a pause
//	in the check of its data          preflow's charts                        as between two steps
//	(preflow_content)
//	pushed on by a person, or put     another row than its own                pushSleepPoint, and told where its
//	right after an error, before the                                          data is to be checked first
//	step's row (updateOmData)
//	woken from a pause, before the    "to" is a pause and "from" no flow      pushSleepPoint
//	step's row (pushSleepPoint)       within it: then it was made
//	to a form, to a pause             the old row goes last                   nothing is lost; see ended.go
//	at a form after a flow within     the newest row is history, "to" is a    back
//	it, before it has the form's row  form
//
// Parallel branches (asyncPoint): the row that branches becomes history and gets its row
// of the journal; one thread then makes, for one branch after the other, a copy of that
// row, writes the copy's data_param, and goes on to the branch's first step, where the
// first branch deletes the row of the branching.
//
//	before that row is written        the newest row is history, "to" is a    main, from there
//	                                  branching, and the journal has none
//	in the first branch, before the   the copy runs, and the row of the       the copy becomes history: the start
//	row of the branching is deleted   branching is in the journal             makes all branches
//	  its first step is a form,       that row, and the form's, which is the  the row goes, and the other branches
//	  and the row is still there      newest and beside it one copy           are begun: back, from the branching
//	  the same, a pause               that row, and a pause that is to come   not seen: all branches are made again
//	in a branch, before its first     async_main_ticket_id, "from" is a       pushSleepPoint, or back for a form; the
//	row of the journal                branching                               branches after it are begun: back
//	  the copy is not changed yet     the same data_param as the row it was   it becomes history, and the branch and
//	                                  copied from, no row of the branching    those after it are begun: back
//	                                  of three or more, one has made copies   told: it can't be told which one it is
//	between two branches              the newest row is that of a branch at   the branches after it are begun: back
//	                                  its first step, or at a form there
//	  that has come further, or       nothing tells how many were begun       not seen
//	  pauses at its first step
//	in a branch to a pause            the pause may be over, or not begun     told, but for the first branch
//	in a branch to a flow within it,  others may have been begun              told, where rows that are newer may
//	or an end                                                                 be of branches before it
//	at a later step of a branch       as between two steps                    as between two steps
//
// Where branches meet (collectionPoint): each row becomes history; the last makes a new
// one, of which data_param is in Python's own notation, and then deletes the row of its
// own step.
//
//	before the new row is made        the step's row is in the journal        nothing is lost: it comes there again
//	after that                        a row that runs, in that notation,      main, from there; the rows of the
//	                                  "to" is where they meet                 steps that have come there go
//	a row came there from a flow      "to" is where they meet, the row runs   pushSleepPoint if the design says which
//	within its flow, and before it                                            branch goes on, else told
//	is history
//
// A flow that opens a ticket of another and waits (outflowPoint, inflowPoint): the new
// ticket has the opener's data as outflow_content. Its first row of the journal is written
// after the opener's was deleted; its end closes it, and then goes on with the opener.
//
//	before the new ticket's row       the opener's row is in the journal      nothing is lost: it is opened again
//	after that, before its first row  as a new ticket, with outflow_content;  main, from "to"; the opener's row goes;
//	of the journal                    the opener waits, and has opened none   of an opener that is a branch, the
//	                                  since                                   branches after it are begun
//	                                  the opener does not                     told
//	it has closed, and the opener     the opener waits, nothing names it,     main, from the end of the other ticket,
//	has not gone on                   the newest ticket it opened is closed   which closes it again
//	                                  at an end
//	while it waits                    the ticket that it opened is open       nothing
//	before it is opened, where the    it looks as if that was deleted         nothing
//	opener has no row: at a branch's
//	first step, after a flow within
//
// Told are also tickets that were opened, or pushed on, more than 36 hours ago, and what
// can't be read. Lost for a restored ticket is what its step does after its row is made:
// the creator's own entry among the missions, a service level's timer, and the number of
// the ticket it has opened in its log. Not seen is a ticket that was about to get the row
// that shows its error: its newest row is history.
//
// All of it was tried on OMFLOW 1.1.0.0 with PostgreSQL: a process was ended before each of
// its writes in turn, in flows with branches that meet, with programs and with forms, and
// with one that opens a ticket of another; what was restored went on as one that was never
// cut off, each step once but for the one that ran.
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
