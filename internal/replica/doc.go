// Package replica keeps one folder the same on all nodes, all the time: a small
// file synchroniser, for folders such as OMFLOW's uploads, where files come and go
// while the servers run and no release and no restart is wanted.
//
// # How it works
//
// A node's index says of each path what all nodes should have (size, SHA-256,
// executable bit, time, or that it was deleted) and in which version, and what this
// node's disk holds. Package watch tells what changed in the folder and has settled.
// A change gets a new version, is brought to the disk with the index, and is pushed
// to all peers that are alive. They fetch the content from who changed the file, or
// from any other that has it, into a staging folder beside the rest, check size and
// hash, sync it, and rename it into place. What this node put in place itself is
// told from a change by its stamp: size, times, inode.
//
//	change ── settled ──▶ version ── on disk ──▶ push ──▶ entry ──▶ fetch ──▶ in place
//	                                               ▲                 │
//	                     digests, at start and each minute ──────────┘
//
// What a push does not reach, a comparison does: at the start, when a peer comes, and
// each Config.Reconcile, nodes compare digests, 256 sums of the entries by a hash of
// their paths, and exchange the entries of those that differ, 1,000 in a message.
//
// # Versions
//
// A version is the last change of each node that it goes back to; a change gets the
// path's highest counter plus one. Of two versions the higher counter wins; of equal
// ones a file before a deletion, then the one that was made later, then the node's
// name. Of files that were found when nothing was known yet, the one that was changed
// later counts as made later. So all nodes choose the same, in whatever order they hear. A
// version that does not go back to the other is concurrent to it: each node that has the loser's
// content keeps it in the state folder under conflicts/ (see package conflicts;
// the number is the winner's counter) before it overwrites it, and says so. What the
// disk holds is compared with the index before it is overwritten or removed: a
// change that was not taken in yet is waited for, never lost. Only a writer that
// comes in the microseconds between that look and the rename is not seen.
//
// # What a node lacks
//
// [Replica.Lag] counts the files that others are known to have and that are not here:
// those that a comparison has told of, those that could not be fetched, and those that were
// told of more than five seconds ago. What came just now is on its way. From its start, and
// when it finds others again after it found none, a node does not know what it lacks until
// it has compared with all that are alive once. Nothing is looked through for that.
//
// # Deletions
//
// A deletion is an entry too, and is remembered for Config.TombstoneLife, up to
// Config.MaxTombstones. A node knows when it last agreed with another. Was that
// longer ago than deletions live, then what it knows from before, and a peer that was
// there all the time does not have, has been deleted meanwhile: the node keeps it
// aside under conflicts/ and does not bring it back. If none of the peers that are
// alive was there all the time, nobody can know, and files come back rather than get
// lost; so they do from a node that has lost its index too, and when there were more
// deletions than MaxTombstones.
//
// A folder that vanished, was replaced, lost a mount, is empty or has lost half of its
// files deletes nothing anywhere, and is not written to: [Status].Suspicious. It ends
// when the files are back, with [Replica.ConfirmRemoval] (it is meant) or with
// [Replica.Restore] (fetch them again). Since no system tells of an unmounting, each
// piece of work makes sure first that the folder is the known one. Ten files may go within
// ten seconds and are told at once; of more, peers are told when no more have gone for two
// seconds, so that the beginning of a wipe does not pass for a few deletions.
//
// # On disk
//
//	<state>/index             the log of the index: a checksum and a JSON value a line
//	<state>/index.damaged     one that could not be read
//	<state>/hashes            package watch's
//	<state>/conflicts/…       versions that lost
//	<root>/.omflow-staging/   what is being fetched; not there when nothing is
//
// What peers are told is synced first: the changed files, the folders with their
// names, the log. A file that was fetched is synced before the rename, and counts as
// here when its folder was synced. So nothing that the index says is here is missing
// after a crash, and no crash passes for a change or a deletion.
//
// New folders get the owner and the rights of the folder that they are in; a new file
// the owner of its folder and its rights without the right to search; one that is
// replaced keeps its rights but for execution, and gets the owner of its folder.
// Times of change come along. Empty folders are not kept: those that a deletion
// empties are removed.
//
// # What fails, and what happens then
//
//   - A crash: what was not written is found out again at the start. The last line of
//     the log may be unfinished and is left out; staging is emptied.
//   - The index is gone or damaged: it is made anew from the folder. What is found
//     has no version, and loses against any: content that a peer has gets the peer's
//     version and is not fetched; where a peer has other content, or has deleted the
//     file, what is here is kept aside; what nobody knows goes to all. Nothing counts
//     as deleted.
//   - The state folder can't be written: files go on; the index is written when it
//     can be, and until then Status.Degraded says so.
//   - The disk is full, or a file can't be put in place: nothing half-written stays,
//     Status.Degraded says it, and the path is tried again after 1 s and then less
//     often, at least each minute.
//   - A peer says that it keeps no folder alike: it is asked again for some seconds, for it
//     may just have been started, and then no more often than all are compared with.
//   - A peer does not answer, or sends nothing for 15 s: others are asked; it is tried
//     again after half a second and then less often, at least each 30 s.
//   - Links, devices, and names that not all systems can hold are not copied;
//     Status.Degraded names one. A symbolic link is never followed: what peers tell of
//     files below a folder in whose place is one here waits, and Status.Degraded says so.
//
// # What peers may say
//
// Everything in Entry.Validate, no counter that jumps by more than 2³², no time more
// than a day ahead, no file above Config.MaxFileSize, no more than Config.MaxFiles,
// no name that another has where case is ignored, no page or message above 1,000
// entries. What is beyond is refused, counted in Status.Refused and named in the log
// with the peer's name; nothing is written. A content that is not what was promised
// is thrown away.
//
// # Threads
//
// One goroutine owns what is known of the watcher; one for each peer tells it and
// compares with it, so that a slow one holds up nobody; Config.Transfers workers
// fetch and change files, and one syncs their folders. A lock is held while the
// folder is changed or looked at to say what changed, another for the index, never
// over a call to a peer or, but for the log's writing, to the disk. All have ended
// when [Replica.Close] returns.
package replica
