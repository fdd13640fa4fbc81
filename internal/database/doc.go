// Package database looks at the database that OMFLOW Servers share: whether it
// answers, whether the account may do there what OMFLOW does, and what OMFLOW's
// flow queue has not finished. It writes a scratch table, and two things of OMFLOW's,
// each in one statement that looks again whether it is still right: [DB.RemoveEnded]
// and [DB.RunMissed].
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
//   - [DB.Schedules] reads table omflow_scheduler. [DB.RunMissed] has a schedule fired
//     once more, for a time at which nobody did: it adds a row that OMFLOW fires once,
//     at its next start, and whose mark keeps it from being added twice.
//     [DB.ForgetMissed] deletes such rows when they are old.
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
