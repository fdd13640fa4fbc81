// Package drain empties a virtual IP of connections before it moves to another machine,
// so that no request fails.
//
// The connections to an address end with its leaving the machine: what their clients
// send then reaches a machine that knows nothing of them. So before a planned failover
// there must be a moment at which there are none.
//
// # How it works
//
// [Drain.Run] has two phases:
//
//   - The door is open. All is served as ever, but each answer says that its connection
//     ends with it (`Connection: close`; GOAWAY in HTTP/2): the protocol's own way to
//     have a client come back on a new connection, which loses nothing. It lasts until
//     no request is in flight for more than half a second, and no connection has been
//     idle for less than six seconds, which is longer than OMFLOW's pages, that ask for
//     news every five seconds, are silent; and for two seconds if any is idle, in which
//     programs of many requests come to their last.
//   - The door is held. New connections wait in their client's kernel, not refused and
//     not answered. What is in flight is finished, idle connections are closed, and
//     those without a request yet after half a second. It ends when all that was sent is
//     acknowledged and nothing is left, mostly after as long as a request lasts. If that
//     does not come about within 0.3 s, then 0.6 s, then 0.9 s, the door is opened for a
//     second, and it begins anew.
//
// When Run's context is about to end the door is held for the last time, and what then
// does not end is cut: by a reset, so that no client takes a part of an answer for the
// whole. So are, whenever the address moves, connections that nothing is known about:
// those that are no HTTP any more (WebSockets), and those of servers that are not watched
// ([Visits.Watch]). How many is logged.
//
// After that the address may move. [Drain.End] opens the door again: on this machine for
// the next time.
//
// # What a client sees
//
// A connection that is opened while the door is held gets through on the other machine,
// at its client's next attempt: a second after the first one. A client that sends a
// request on a connection that was idle for six seconds or more, in the very moment in
// which it is closed, sees it closed without an answer: what HTTP clients must be ready
// for at any time (RFC 9112 section 9.3.1) and repeat on another connection.
//
// HTTP/3 is not drained. Its connections break as in a failure, and browsers go on over
// TCP.
//
// # What fails, and what happens then
//
//   - The door can't be held, or the kernel does not tell of its connections: that is
//     logged, and the address moves without it. Connections that are opened at that
//     moment may break.
//   - This process dies: so do the sockets that hold the door.
package drain
