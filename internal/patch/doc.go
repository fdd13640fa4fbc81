// Package patch keeps one folder the same on all servers: what somebody changes in
// it on one of them becomes a release, and what others have changed is brought here.
//
// A [Member] is one server's part. It composes the parts that do the work, and adds
// the order in which they do it: package watch tells what has changed, store keeps
// contents, history the sequence of releases, apply brings the folder from one to the
// next, conflicts keeps versions that lost.
//
// # From a change to a release
//
// A settled watch.Change is compared with the ground, the release that the folder is
// known to hold. What differs is the change. Its contents go to the blob store, and
// the active booster is asked to number it. If others were faster, the change is put
// on top of theirs (release.Rebase), the versions that lost are kept aside, and it is
// asked again. Then all other agents are told, which fetch what they miss and stage
// it. Until a booster has answered, the change is pending; it is tried again for ever.
//
// The ground is the applied release, or newer: what this server has published itself
// is in its folder before it is applied there. It is older in two cases: a folder
// that turns out, at the start, to hold an earlier release than the one that was
// applied was restored from a backup, and when the booster's sequence has taken the
// place of releases that this folder has, what both have in common is the ground. So
// the same rule, what differs from the ground is somebody's change, makes sure that
// nothing old overwrites something newer, and that no change is lost.
//
// A file of 1 MiB or more is on its way before that: as soon as the watcher has hashed it,
// while the folder has yet to settle, the other agents are offered the content, and fetch
// it into their stores. So its release has little to wait for. When none comes, because
// the file changed once more, the content goes again: four such contents stay at most, on
// a disk that has 1 GiB to spare beside them, and the store's collection removes these. An
// offer takes a minute at most, and a release waits for it no longer.
//
// # From a release to the folder
//
// Each announced release is fetched and staged at once, from its origin and, when that
// is busy, from whoever has it already, so that twenty servers don't all wait for one.
// [Member.Apply] puts it in place; the owner stops the server before that and starts
// it after. What is applied must be in the sequence that a booster has confirmed: an
// announcement alone changes no file.
//
// # The first release
//
// While the cluster has none, the server for which Config.First says so, and no other,
// publishes its whole folder as release 1. A server whose folder is the same notes
// that, without a restart. On one whose folder is not, the files that differ are kept
// aside and replaced. Files there that are in no release stay, and are not published
// until they change; those for which Config.Exact says so are kept aside and removed.
//
// # What fails, and what happens then
//
//   - No booster: changes are pending, and told.
//   - A file changes while it is copied: the copy fails its hash; the next change
//     brings it.
//   - The booster knows that the server works on a request that changes its files, of which
//     what was found may be half: it is looked for anew, and published as it is when that
//     has ended and settled.
//   - A peer that is gone, busy, or sends what it must not: another one is asked, and
//     later it again.
//   - A content in the store is damaged: it is found out when it is applied or another
//     server asks for it, not sent, and fetched from a server that has it. A release
//     whose list is damaged comes from any node; while the newest one is, nothing is
//     published or staged, and [State].Trouble says so.
//   - No room on the state folder's disk for the contents of a change or a release: it
//     is told before the disk is full, and tried again.
//   - The folder is gone, empty, or has lost most of its files: nothing is published
//     from it and nothing applied to it until it is back, or [Member.Lost] says that it
//     is meant, or that the files are to come back.
//   - A crash or a full disk while a release is applied: the folder is the old release
//     or the new one before the server is started, see package apply. While it is
//     neither, [State].Blocked says why the server must not be started, and it is
//     tried again.
//   - A note of this folder's can't be read, as after a power failure on a disk that lies:
//     it is kept beside, told as an error, and found out again from the folder and the known
//     releases. A folder that is exactly a release is that one. Of any other, what no
//     release has said is published only where it surely was changed since; else it gives
//     way, and is kept aside. So what was undone elsewhere does not come back.
//   - A crash between the booster's answer and the note of it here: the change is
//     found again, and found to be in the sequence already.
//
// # On disk, below Config.StateDir
//
//	blobs/…        the store
//	history/…      the sequence
//	apply/…        the applier's state, and conflicts/ with the versions that lost
//	hashes         what the watcher remembers
//	ground.json    the ground, where it is not the applied release
//	strays.json    files that are in no release and are not to be published
//	restored.json  when files that were gone were last brought back
//	….damaged      one of these, or of the applier's, as it was when it could not be read
//
// # Bounds
//
// A release has the bounds of package release. As many releases are kept as
// Config.Keep says, and with them all contents that they name. Of announcements that
// come faster than they are worked on, the newest 64 are kept, or fewer with a million
// files in their releases; the booster's word on the newest release makes good for the
// others.
//
// # How it works
//
// Five goroutines: the keeper opens the folder and mends it, the publisher waits for
// changes, the fetcher for news, and two tell of and fetch what is offered. Whoever changes
// what the folder is taken for holds Member.work; Apply does not wait for a call to a peer to end, it cancels it.
package patch
