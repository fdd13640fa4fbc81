// Package health asks an HTTP server over and over whether it is well and
// turns the answers into states that do not flap.
//
// There are two questions. Live: does the process answer at all? Ready: can it
// do its work, its database included? A server that is live but not ready must
// get no traffic yet gains nothing from a restart; one that is not live is
// worth replacing. A [Check] is one such question, a [Prober] puts both to one
// server each interval, and [RiseFall] is the arithmetic in between: an unknown
// server is up after its first success (so that whoever asks can be restarted
// without an outage), an up server is down after Fall failures in a row, a down
// server is up again after Rise successes in a row.
//
// Each check uses a connection of its own. A kept connection would go on
// answering from a process whose listener is stuck, and would now and then be
// closed by the server just as it is used, which is no sign of ill health.
//
// What the server sends is not trusted: the whole exchange ends within Timeout,
// at most [MaxBody] of the answer is read, redirects are not followed, and what
// of it ends up in a reason is cut short and made printable.
//
// The package knows nothing of OMFLOW; checks that judge its answers are values
// made elsewhere, with [Check.Judge] set. It is used by the agent for the
// server beside it and by the booster for every server.
package health
