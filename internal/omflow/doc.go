// Package omflow holds what is known of OMFLOW Server, and is the only package
// that names its URLs and speaks its messages. It decides nothing about
// servers, queues or connections; it tells those who do what a request is and
// how a failure is said.
//
// # What it knows
//
//   - Which lane a request belongs to and whether it may be repeated: [Table],
//     [Request], [Result].
//   - How the front door's own failures are told to API clients and browsers:
//     [Reason], [Answer], [Page].
//   - How an OMFLOW Server is asked whether it lives and whether it can work:
//     [DefaultChecks], [BodyStatus].
//   - Which requests would use a hole of OMFLOW and must not reach it:
//     [Table.Refuses].
//   - Which answers prove that nothing was done, or hide it: [TokenRefused],
//     [TokenExpired], [SilentLoss], [CheckLoss], [Lost].
//   - Where REST tokens come from: [IsTokenRequest], [TokenAnswer].
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
// depending on its "action". OMFLOW tries to read every body as JSON whatever
// its Content-Type says, and Python's parser lets the last of two equal keys
// win. So an edit counts as repeatable only if its whole body was seen, is
// valid JSON and names one action. Everything else, a form, a truncated
// body, two actions, is a create. A mistake on that side costs a client an
// error message; a mistake on the other side opens a ticket twice.
//
// # What fails, and what then happens
//
// Classification cannot fail: what is not understood gets the careful class.
// [Table.Add] refuses bad patterns with an error that says what to write.
// Rendering an answer cannot fail either; it allocates only what it returns.
//
// Bodies and answers are read with package jsonscan, without building a tree.
//
// The URLs and behaviour were read from, and measured on, OMFLOW Server
// 1.1.0.0. URLs that a newer version adds fall under the rules for unknown
// URLs and can be put into a lane with [Table.Add].
//
// A Table may be used by any number of goroutines once it is built.
package omflow
