// Package flows is a directory of the flows that OMFLOW Servers have deployed: which
// UUID a flow has, and whether its tickets may come to a pause.
//
// # Why pauses matter
//
// A step of the type "sleep" does not block. OMFLOW writes a row into its table of
// schedules, adds it to the schedules in its own process's memory and deletes the
// ticket's row of the flow queue's journal (OMFLOW 1.1.0.0, sleepPoint in omengine.py).
// Only a process with the schedule thread, the lead server, ever looks at that memory:
// a ticket that comes to a pause on another server stays there until a lead server is
// started next and reads the table. So tickets of flows with a pause belong to the lead
// server, from the request that opens or pushes them on.
//
// # What is known of a flow
//
// A step that follows a request runs in the process that took it, in the ticket's own
// flow and in those that it calls: its subflows, which are flows of their own with the
// main flow as their parent; "outflow" steps, which open a ticket of a flow of another
// application; and "inflow" steps, which do so within the application. When a called
// ticket has ended, the calling one goes on at once in the same process. So a request
// may come to a pause
//
//   - when it opens a ticket: if the flow or one that it calls, directly or not, has a
//     pause ([Flow.PauseOnOpen]);
//   - when it pushes one: also if a flow that calls it may, since the ticket may have
//     been opened by such a one ([Flow.PauseOnPush]).
//
// [Build] works this out from what package database reads of each flow ([Source]) and
// what [ReadDesign] finds in its design. A flow that is called by a name that only a
// script knows can't be seen here.
//
// # How it travels
//
// An agent builds the Directory from the database. It marshals as JSON, and [Decode]
// reads it on another node. [Directory.Version] is the same for the same content, so
// that nobody fetches what is known already.
//
// # What fails, and what then happens
//
// A design that can't be read (it is too long, or no JSON) counts by the words that the
// database found in its text: with the word for a pause it has one. A database with more
// flows than [MaxFlows] gives a Directory that says so: a flow that is not in it may
// pause then. Decode refuses what no agent sends.
//
// A Directory does not change once it is built, and may be used by any number of
// goroutines.
package flows
