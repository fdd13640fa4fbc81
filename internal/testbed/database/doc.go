// Package database is the database that several stand-in OMFLOW Servers share.
//
// OMFLOW Servers behind one front door have one thing in common: their
// database. Stand-ins are separate processes, so theirs must be reachable over
// the network too. [Server] keeps users, sessions, settings, flows, tickets,
// the flow queue's journal, schedules and the list of attachments in memory and
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
// # Failure
//
// [Server.Stop] closes the listener and every connection and keeps the state:
// the database is down. [Server.Start] listens again on the same address. While
// it is down each call fails with an error that wraps [ErrUnavailable] and reads
// as PostgreSQL's client writes it, because OMFLOW shows that text to its users.
// A call in flight when the connection breaks fails as well, and is not repeated:
// whether it was carried out is unknown.
//
// The calls are as small as the statements of OMFLOW's object mapper and nothing
// spans two of them: OMFLOW runs without transactions, and its races must show.
package database
