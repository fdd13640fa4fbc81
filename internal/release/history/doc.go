// Package history keeps the sequence of releases that a node knows, and who
// published them.
//
// # The sequence
//
// Releases are numbered 1, 2, 3, … and each names its parent by number and
// hash. The active booster gives out the numbers: [Log.Propose] takes a release
// only if its parent is the head (compare and set) and answers with a
// [StaleError] otherwise; the origin then rebases its release on the head and
// proposes again. Proposing a release that is the log's already succeeds, so an
// answer that was lost does no harm.
//
// The other nodes take over what the sequencer has with [Log.Follow]. Two
// boosters that were cut off from each other at the wrong moment may have given
// one number to two releases. Then the sequencer's chain wins, and Follow
// returns the releases of this node that were dropped for it, so that their
// changes can be rebased and proposed again: they are not lost.
//
// # On disk
//
//	<dir>/manifests/<number>-<hash>.json   a release, in its one encoding
//	<dir>/aside/<number>-<hash>.json       one whose number another release has here
//	<dir>/quarantine.json                  releases that did not do well, and why
//	<dir>/published.jsonl                  who did what when, one JSON object a line
//
// Manifests are read when they are asked for and checked against the hash in
// their name; in memory is only what a list shows, and the newest of them.
// published.jsonl is only ever appended to, and synced with each line; a line that
// a crash cut off stays and is ended before the next one. It is a record for
// people; only when quarantine.json can't be read, it is read here.
//
// # Which releases stay
//
// [Log.Prune] removes all but the newest Keep (20) and those that the owner
// still needs, such as releases that wait for approval. Old ones may so be
// missing between others.
//
// # What fails, and what happens then
//
// A write that fails is reported and nothing was added. A manifest that can't
// be read any more, because the disk has damaged it say, is reported by who asks for
// it ([ErrUnreadable]), and the others work; nothing can follow it if it is the head.
// [Log.Unreadable] names it, and the owner gets it from any node that has it, since its
// hash is known, and gives it to [Log.Mend]. [Log.Propose] and [Log.Follow] take it too.
//
// A quarantine.json that can't be read is kept as quarantine.json.damaged, told as an
// error, and made anew: of what published.jsonl says was last done with each release.
//
// A folder that can't be read or written to at the start is an error of Open, or, with
// Config.Tolerate, a log that is empty and takes nothing until [Log.Reopen] could open it:
// for an owner that has other things to do.
//
// When two manifests of one number are there at the start, as after a write that
// failed and could not be taken back, or after an old folder was copied over this one,
// the one stays that the next release names as its parent, or else the one that was
// written last; the other is put aside.
package history
