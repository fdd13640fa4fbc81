// Package balance decides which server takes a request, and when.
//
// It is pure: it knows no HTTP, opens no socket, starts no goroutine and reads
// no clock. The caller passes the time in, calls Tick ten times a second, and
// waits on the channels it is given.
//
// # How it works
//
// A Balancer holds a table of servers. Each server takes at most its capacity
// of requests at once. What nobody can take yet waits here, in one queue for
// all servers, because a Python server does worse work when more is pushed
// into it: whichever server is free first takes the oldest request. A request
// that belongs to a session waits for that session's server alone.
//
// Acquire has a short way and a long one. The short way, taken whenever a
// server has room and nobody waits, reads the table and takes a slot with one
// compare-and-swap: no lock, no allocation. The long way, under the
// Balancer's mutex, is for requests that wait; there the time of a lock does
// not count.
//
// # Sessions before flows
//
// OMFLOW runs Python, so whatever runs beside a click slows the click. Three
// things keep people's pages quick while bulk work goes on:
//
//   - a free slot goes to a waiting session first; at most every ninth slot
//     goes to a flow request that waits, so that neither starves;
//   - on a server with active sessions, flow requests get a share of the
//     capacity only. The share is steered by the sessions' own latency (see
//     share.go) and each session request that is running takes one more from
//     it, so that a click meets few flows and flows fill the pauses;
//   - a new session is placed by the number of sessions, then where few flows
//     run.
//
// A server without active sessions runs flows at its full capacity.
//
// # The lead server
//
// OMFLOW keeps deployed flows in a process's memory and attachments on one disk, so
// one server, the lead, takes the requests that change or need those
// (Request.ToLead). They have lists of their own: they wait for the lead, whoever it
// is when their turn comes, and go nowhere else.
//
// A server that is behind has not seen the newest control change. It takes requests
// for static files only, since nothing else is surely the same there. When no other
// server is left, backups included, it takes all again: an old answer for some is
// better than none for anybody.
//
// # Orders of a roll-out
//
// SetOut drains servers beside the operators' marks, and SetHold keeps requests that
// make work (Request.Work) from all servers. Both are promises about the way without
// a lock, too: it compares the table after it has taken a slot, and gives the slot
// back when another table is in force. So whoever has put a table in force and then
// counts no slot that is taken knows that none is and none will be. The hold belongs
// here and not before the queue because only the queue knows whether a request has a
// slot, for how long, and whose turn it is afterwards.
//
// # Two boosters
//
// When another booster sends requests to the same servers, it tells what it has
// there (Loads, SetElsewhere), and the places of each server are divided while both
// have something for it; see elsewhere.go for the rule and its limits. The share of
// flows beside sessions stays each booster's own: it is steered by the sessions that
// this one sees.
//
// # What fails, and what happens then
//
// A server that goes down, drains or is taken away loses no waiting request:
// those that waited for it alone join the queue for all. A request whose
// client went away is taken out with Cancel, which also gives back a slot that
// was granted at that moment. When no server is up, requests wait, and so do those for
// the lead while it is down, drains or is nobody: the caller decides for how long. A
// full lane is refused with ErrQueueFull; those that are held back count. What
// another booster has told holds for a second: one that is not heard any more leaves
// its places.
//
// A slot is held until Release. A caller that stops waiting for an answer
// while the server may still work on it must keep the slot as long as that may
// last, else the server sees more than its capacity.
package balance
