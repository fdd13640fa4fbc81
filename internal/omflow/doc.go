// Package omflow holds what is known of OMFLOW Server, and is the only package
// that names its URLs and speaks its messages. It decides nothing about
// servers, queues or connections; it tells those who do what a request is and
// how a failure is said.
//
// # What it knows
//
// What can differ between versions of OMFLOW is data, a profile (package profile), and
// a [Table] is a profile made ready for looking things up in:
//
//   - Which lane a request belongs to, whether it may be repeated and whether it may put
//     something into the flow queue: [Table.Classify], [Request], [Result].
//   - How the front door's own failures are told to API clients and browsers:
//     [Reason], [Answer], [Table.Render], [Page].
//   - How an OMFLOW Server is asked whether it lives and whether it can work:
//     [Table.Checks], [BodyStatus].
//   - Which requests would use a hole of OMFLOW and must not reach it:
//     [Table.Refuses].
//   - Which answers prove that nothing was done, or hide it: [Table.TokenRefused],
//     [Table.TokenExpired], [Table.SilentLoss], [Table.CheckLoss], [Table.Lost].
//   - Where REST tokens come from and where they are: [Table.IsTokenRequest],
//     [Table.TokenAnswer], [Table.FindToken].
//   - Which flow's ticket a request opens or pushes: [Table.FlowOf], [Table.TicketFields],
//     [Table.FormFields].
//   - Which repairs are made: [Table.Repairs]. Refuses, SilentLoss and DropsCookies
//     follow the switches themselves; the others tell what is so, and who repairs asks.
//
// The shape of OMFLOW's JSON answers, its languages and how Django reads paths and
// bodies are code: another OMFLOW that differs there is another program.
//
// # Classification
//
// OMFLOW uses POST for reads and runs the same view for every method, so the
// URL says more than the method does. [Table.Classify] decodes the path as
// Django does (once, percent-encoding only) and looks it up. A path that two
// programs could read differently ("//", "/../", ";", a backslash, an encoded
// control character) is looked up both as it is and cleaned, and the more
// careful answer of the two counts. An unknown URL is a read for GET, HEAD and
// OPTIONS and a create, which is never repeated, for everything else.
//
// For a few URLs the body decides: an edit is a create or a harmless repeat
// depending on its action. OMFLOW tries to read every body as JSON whatever
// its Content-Type says, and Python's parser lets the last of two equal keys
// win. So an edit counts as repeatable only if its whole body was seen, is
// valid JSON and names one action. Everything else, a form, a truncated
// body, two actions, is a create. A mistake on that side costs a client an
// error message; a mistake on the other side opens a ticket twice.
//
// # What fails, and what then happens
//
// Classification cannot fail: what is not understood gets the careful class.
// [NewTable] and [Table.Add] refuse bad profiles and patterns with an error that says
// what to write. Rendering an answer cannot fail either; it allocates only what it returns.
//
// Bodies and answers are read with package jsonscan, without building a tree.
//
// The built-in profile's URLs and behaviour were read from, and measured on, OMFLOW
// Server 1.1.0.0. URLs that a newer version adds fall under the rules for unknown
// URLs and can be put into a lane with [Table.Add], or into a profile of their own.
//
// A Table may be used by any number of goroutines once it is built.
package omflow
