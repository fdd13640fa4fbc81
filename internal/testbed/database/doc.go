// Package database is the database that several stand-in OMFLOW Servers share.
//
// OMFLOW Servers behind one front door have one thing in common: their
// database. Stand-ins are separate processes, so theirs must be reachable over
// the network too. [Server] keeps users, sessions, settings, parameters, the
// service catalogue, applications, flows, tickets, the flow queue's journal,
// schedules and the lists of attachments and temporary files in memory and
// serves them with net/rpc over TCP; it trusts whoever connects and therefore
// belongs on a loopback address. With [Config.File] its state is written to one
// file, at most a second after a change and when the server is closed, and read
// again at the next start; a crash loses at most that second.
//
// # Connections
//
// The difference between the two kinds of client is the point of this package:
//
//   - [Pool] is what a request uses. OMFLOW opens a connection for every request,
//     so requests recover by themselves when the database comes back. A Pool
//     keeps one connection and dials again when that one was found closed.
//   - [Conn] is what a worker of the flow queue holds. It is dialled once and
//     never again: after a restart of the database each call fails for ever, as
//     measured on OMFLOW 1.1.0.0, whose queue workers keep their dead connection
//     until the process is restarted.
//
// Both give the same typed calls, [Queries].
//
// # PostgreSQL
//
// With [Config.Postgres] the same database is also served in PostgreSQL's wire
// protocol, as far as somebody beside an OMFLOW Server needs it: a client of
// PostgreSQL signs in as [PostgresRole] to [PostgresName], with a password or
// trusted, asks whether the database lives, makes a table of its own, writes, reads
// and drops it, reads the flow queue's journal, table omflow_queuedata, removes from
// it what had ended when its server died, reads the schedules, and has one of them
// fired once more. Only the simple query protocol and those statements are understood;
// any other one gets an error with SQLSTATE 0A000, and the connection goes on. Tables
// that clients made are gone when the process ends. A connection is closed when its client does
// not sign in within 10 s, sends a message of more than 64 kB, or leaves an answer
// unread for 10 s; there may be 100 at once.
//
// # On a real PostgreSQL
//
// [Dial] and [NewPool] also take the URL of a PostgreSQL in which [Migrate] has made the
// tables: then there is no Server, and each Conn is one connection to it. The tables
// that others than OMFLOW Servers read have OMFLOW's names and columns, the rest is JSON
// in a table of its own. The calls and what they answer are the same; a Pool tries its
// connection before each of them, since OMFLOW, which dials for each request, would not
// have one that broke meanwhile. A call that takes more than 30 s is cut off.
//
// # Failure
//
// [Server.Stop] closes the listeners and every connection and keeps the state:
// the database is down. [Server.Start] listens again on the same address. While
// it is down each call fails with an error that wraps [ErrUnavailable] and reads
// as PostgreSQL's client writes it, because OMFLOW shows that text to its users.
// A call in flight when the connection breaks fails as well, and is not repeated:
// whether it was carried out is unknown.
//
// The calls are as small as the statements of OMFLOW's object mapper and nothing
// spans two of them: OMFLOW runs without transactions, and its races must show.
package database
