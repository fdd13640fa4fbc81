// Package doctor finds out whether a node can work where it is: it holds a node's
// configuration against the machine, the other nodes, the OMFLOW Server and its
// database, and says what to do about what does not fit.
//
// A [Check] is one question with one [Result]: ok, failed, or skipped with the reason.
// The checks of one subject are made by a type each: [Key], [Ports], [Peers],
// [Cluster], [Machine], [VirtualIP], [Server], [ServerPort], [Watches], [Database]; [NewServer] of a server that
// has yet to come. What a node is decides which
// of them are asked; that is up to the caller, as is where the answers go. Whatever a
// check needs of the world, sockets, look-ups, clocks, files, is a field of its type, so
// that each verdict can be seen without it.
//
// # What a check does to others
//
// Nothing stays changed. A port is opened and closed again; the state folder gets an
// empty file that is removed at once; the database gets the scratch table of package
// database, which is dropped. A peer is visited by a handshake with the cluster key and
// one request, for what boosters know of the servers' settings: a node answers that and
// logs nothing, unless the key is not its own. One that has the same key is asked over
// UDP too, as members probe each other. OMFLOW Server is never started: its start command says where it listens, and a
// second one would replay the flow queue or fire schedules.
//
// # How they run
//
// [Run] starts all checks at once, so that one that waits for a machine that is off
// holds up none of the others, and gives the outcomes in the order of the checks. What
// several need, such as a visit to a peer, is done once ([Shared]). A check gets 5 s, or
// its own Timeout; one that does not heed its context is left behind a second later and
// counts as failed.
//
// # Secrets, and strangers' words
//
// Errors may quote what a peer, a database or Python said. Every text is put on one
// line, without control characters, and is cut to 600 bytes; what [Secrets] knows is
// replaced in it by asterisks, whatever it came from. The types that hold keys and
// passwords do not print them either: this is the second net.
package doctor
