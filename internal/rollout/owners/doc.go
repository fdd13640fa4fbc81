// Package owners remembers which server works on which ticket.
//
// OMFLOW's flow queue has no owner: its journal, a table that all servers share, says
// what is to be done and not in whose memory that stands. But the front door knows. A
// ticket is opened and pushed on by requests, and all steps that follow one run in the
// process that took it, until a person goes on. So a [Book] notes, for each such
// request, the ticket, the server, and when it was answered ([Book.Sent],
// [Book.Done]). Asked for a ticket ([Book.Claims]) it names the servers that may be
// working on it. Whether the process that answered still lives is its asker's to know.
//
// # What a request says, and a row of the journal
//
// A push names the row of the ticket that it pushes, and its answer the ticket's
// number. The answer to a create names the number alone. A row of the journal has both.
// So a ticket's row is looked for by itself first: it is only ever pushed, never opened.
// If nobody has pushed it, it came from the create or from an earlier push of the same
// ticket, by steps that make rows of their own (parallel branches): then each server
// that took one of these may have it, and all are named.
//
// Flows are named by their UUID in the journal. A request may name one by its API path
// or by names, which its sender resolves before if it can. What could not be resolved
// is kept as it is, and resolved when somebody asks; what can't be resolved even then
// counts as perhaps the flow in question.
//
// # Perhaps
//
// A [Claim] is a Perhaps when it only shows that the server may have the ticket: of a
// request that is on its way, or that has ended without an answer that tells whether it was
// carried out: it broke off, or was answered with an error ([Book.Ended]). If its flow and
// row are known it is about that row, else about all tickets of the flow of which nothing
// else is known. So what has ended like that counts for [EndedTime] only.
//
// # Two boosters
//
// Each keeps a whole book: they fetch each other's news, page by page, from where they
// were ([Book.Page], [Book.Take]). Asking only at the moment when a journal is judged
// would be less traffic, but then a booster that dies would take with it what it knew,
// at the very moment at which a server may have died with it. A booster that comes back
// gets its own notes, too. The requests of one that tells nothing any more count as ended.
// Times travel as ages: no clocks are compared. A copy is a little younger than the
// original, by the time of its way.
//
// # Bounds, and what then happens
//
// [MaxRecords] are kept, the newest; none counts that is older than [MaxAge]. Of requests
// of which the outcome is not known [MaxPending] are kept, rather those that are on their
// way. Whatever was forgotten is not known, and is told as that: no claim. A book is in
// memory only, and a booster that runs alone begins with an empty one.
//
// Noting a request, before and after, takes one to two microseconds of a processor in a
// full book, most of it for memory that is not in its caches (see BenchmarkNote), and
// allocates nothing by itself. All methods may be called concurrently.
package owners
