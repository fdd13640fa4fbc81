// Package proxy is the HTTP/1.1 data path to one server.
//
// It exists beside net/http's Transport because the front door needs to know
// what that one hides, and to do less:
//
//   - whether a byte of a request was written. Only a request of which nothing
//     was written may go to another server whatever it does;
//   - a look at an idle connection right before a request that must not be
//     repeated is written to it;
//   - no goroutine hand-over: the goroutine that serves the client writes the
//     request and reads the answer itself. net/http's Transport uses two more
//     for each connection, which costs as much processor time as all the rest.
//
// # A request
//
// The body is read whole before a server is asked for (ReadBody): OMFLOW does
// not read chunked bodies, a slow client must not hold one of the few places on
// a server, and a request can be repeated only if its body is still there. It is
// kept in memory up to a size, and as long as all bodies together leave room, then
// in a file without a name. The request is written with Content-Length, never with
// Transfer-Encoding, whatever the client sent, so no two parsers can see different
// ends of it. A large body is written by a goroutine beside, so that the answer of
// a server that refuses it is seen.
//
// # An answer
//
// The head of the answer is parsed strictly and with bounds on its size and
// count of fields; what is doubtful (two lengths, a length beside a transfer
// coding, folded lines, bare line feeds, a space before a colon) is an error,
// not a guess. The body is passed on as it comes; an answer of unknown length is
// flushed to the client after each piece.
//
// # Connections
//
// A connection is used again when the request was written whole, the answer read
// to its end, and not a byte more came; also not after an answer to HEAD or one with
// status 204 if the server may send a body with it that must not be there, as some
// do. It is looked at before each use: one that the server has closed, or on which
// something arrived that nobody asked for, is closed. For a request that must not be
// repeated it may also not have been idle for more than a second, since a server may
// close it in the moment between the look and the writing.
//
// # What fails, and what happens then
//
// Do returns an *Error that says at which step it failed and whether anything
// had been written (Error.Sent). A connection on which anything went wrong is
// closed, never used again. When nobody waits for the answer any more while the
// server works, its connection is watched until it answers (Request.Abandoned), so
// that the caller can count the server as busy as long as it is. When the server is
// found to be down, Upstream.Abort ends at once the waiting of requests that may
// be repeated, instead of letting each run into its timeout.
//
// An Upstream may be used by any number of goroutines, an Exchange by one.
package proxy
