// Package bootstrap brings a new OMFLOW Server into a cluster: what it needs, and is
// in no release, comes from the agent of a server that is there already.
//
// # What comes from where
//
//	code                       the releases (package patch), by hash, from all peers
//	attachments                package replica
//	settings.py                this package, in an [Origin]
//	the agent's options        this package, in an Origin: run, python, health, patch, …
//	Python and its packages    nobody: an operator installs them, and is told which
//
// An Origin carries the cluster's secrets: SECRET_KEY, the database's password. It
// travels over the cluster's control API alone, on which both sides are authenticated
// (package gossip), is given to agents and not to boosters, and is written readable for
// the owner alone. None of its secrets is logged, and it prints none.
//
// # The steps
//
// [Arrive] makes one attempt, and its caller repeats it until it succeeds:
//
//  1. The other agents are asked, one after the other, until one answers with an
//     Origin. One that has arrived itself does as well as the first server's.
//  2. The options are made this machine's own ([Move]): another folder, another
//     address, another name. The caller says what it wants different and whether the
//     result can work.
//  3. The folder is looked at. One that is missing or empty is taken. One that holds
//     an OMFLOW Server with the cluster's SECRET_KEY and database is this cluster's:
//     its settings.py stays. Anything else is refused, and nothing is written to it;
//     so is the folder of the other server, if that one is on this machine.
//  4. Python, its version and its packages, and the command that runs the server, but
//     for files of it that come with the release, are looked for; what is missing is
//     named, with what is installed where the Origin comes from.
//  5. A note is made that the folder is this cluster's ([Record]), then the folder,
//     and settings.py in it, in one rename, with the paths and the Python of this
//     machine in the place of the other's.
//  6. The record is completed with the options: the server has arrived. From then on
//     neither this package nor another server is needed to start it.
//
// The caller applies the newest release after that, and starts the server on nothing
// less.
//
// # What fails, and what then happens
//
//   - No other agent is there, or none runs an OMFLOW Server that is patched: the error
//     says so, and the next attempt asks again.
//   - A peer that is lost in the middle of its answer, or says what it must not: the
//     next one is asked.
//   - A crash: before step 5 nothing was written; after it the note tells that what lies
//     in the folder is ours, and the next attempt goes on. settings.py is there as a
//     whole or not at all.
//   - A Record that is damaged: it is kept aside, and the server arrives anew. The
//     folder holds this cluster's OMFLOW Server by then, so that nothing in it changes.
//   - A full disk, a folder that may not be written: the error says which; nothing
//     half-written stays.
//   - The other servers run on another system: refused, since their commands and paths
//     say nothing here.
//
// # What a peer may say
//
// An answer has at most [MaxOrigin] bytes, its settings.py at most [MaxSettings], and a
// list of at most [MaxModules] Python modules with plain names: they become words of a
// command line that is shown, never run. Paths in it are absolute and not the root. A
// node of the cluster can have any code run on the others, so that the command that an
// Origin brings gives it no power that it has not got.
//
// # A server that is there
//
// [Needs] and [Import] tell of a server that is installed whether its Python has the
// database's driver and the program that runs it; package doctor asks.
//
// Everything may be called concurrently, but one folder is one attempt's at a time.
package bootstrap
