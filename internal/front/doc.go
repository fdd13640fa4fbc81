// Package front is a request's way through the front door: lane, body, place on a
// server, sending, answer.
//
// It composes omflow (what a request is, and our own answers), balance (whose turn
// it is), fleet (the servers) and proxy (the way there). It knows net/http but not
// Caddy.
//
// # A request's way
//
//  1. It is classified by method and path, and where that is not enough by a
//     bounded look at its body, into a lane (whom it waits with) and a class
//     (whether it may be repeated).
//  2. Its body is read whole, before anybody waits for it. How long a client may
//     take for that is up to the server in front, which knows its timeouts.
//  3. It waits for a place on a server: its session's own, if it has one, or the lead
//     server for control and file requests. A create with files waits for its turn
//     before that (FileGate), and at another front door if that is the one whose turns
//     count (Config.TakeTurn). All waits together are bounded by Config.QueueWait.
//  4. It is sent. If nothing of it was written, another server is tried, whatever
//     it does, or for the lead's requests the lead once more. If it was written and
//     the server died, a read or guarded request is tried again within the retry
//     budget; a create never is, unless it is proved that it has done nothing.
//  5. The answer is passed on as it comes, with X-Request-Id, Server-Timing and,
//     where a session begins or moves, the sticky cookie. One of up to 64 kB is
//     taken from the server first: a slow client then holds no place on it.
//
// The sticky cookie never reaches a server, and no cookie at all reaches OMFLOW's
// REST API: each call there signs in by its token and out again, and would end the
// session of the browser whose cookie came along.
//
// # What belongs to the lead server
//
// Control requests change the memory or disk of one OMFLOW process, file requests need
// what is on one disk: both go to the lead alone. Their sessions stay where they are.
// When the lead has answered a control change as done, Config.Controlled is told before
// the client is, so that the other servers get no request of somebody who has seen the
// answer. It is told, too, when a change was sent and not answered, and once more when
// the lead has ended its work on one whose client has gone: a change that may have been
// done counts as done.
//
// Requests that open or push a ticket of a flow with a pause go to the lead, too, since
// it alone ends pauses (package flows). They stay in their lane and keep its order. As
// long as any flow pauses, so do those of which it is not clear what flow they are for.
//
// Requests that may put something into OMFLOW's flow queue wait while the Fleet holds
// work, without a place and unsent; see fleet.Fleet.SetHold.
//
// Of each request that makes a server work on a ticket it is noted which server that was
// (Config.Owners): before it is sent, as one that may, and when the answer says that it was
// carried out, by the ticket's number. One that was never answered, or with an error of the
// server's or of OMFLOW's flow engine, stays a may for some minutes, and so does a create that
// was answered without a number, since its ticket may be opened later.
//
// # What fails, and what happens then
//
// Every answer of ours has the right HTTP code and speaks the client's language
// (omflow.Answer): never a redirect, never an HTML page with status 200, since
// OMFLOW's pages take those for a lost session. A create that was written to a
// server that died is looked for (Config.Seek, package created): its client gets the
// ticket's number, or it goes to another server, once, or, when nothing is proved, it is
// answered 502 and told that its outcome is unknown. It holds no place meanwhile. An answer
// that breaks off after its head was passed on can't be mended: the client's
// connection is closed, so that nobody takes half an answer for a whole one.
//
// While there is no lead its requests wait as long as the queue lets them, and are
// answered 503 then.
//
// A client that goes away while it waits leaves the queue. If it goes while the
// server works, the place on the server stays taken until the server has answered:
// OMFLOW does not stop working when its client is gone, and giving the place away
// would push more into it than it takes. So it is when the server has not answered
// within the response timeout, or is said to be down: it is waited for as long once
// more. A create with files keeps its turn as long. net/http takes a client that closes
// its sending side for one that has gone. A client that stays, and takes nothing for a
// minute of an answer that holds a place, gets no more of it, and the place is free.
//
// A request that has no path which means the same to all who look at it (CONNECT,
// a target such as "http:a/b") is refused with 400.
//
// Requests for an upgrade (WebSocket) are rare and go through the standard
// library's ReverseProxy; they hold their place as long as they last, and an ordinary
// answer to one as long as any other. One that brings a body or a REST token, may put
// something into OMFLOW's flow queue, or asks for h2c, is served as if it had not asked: it
// would go past the rules for all of these, or past us.
package front
