// Package release says what a release is: one immutable, numbered state of the
// patch folders, the same on every node.
//
// # A release
//
// A [Manifest] lists all files of the release with path, size, SHA-256 and
// executable bit, names its parent by number and hash, and says explicitly what
// the parent had that is deleted now. It has exactly one encoding, and the hash
// of that names it ([Ref]). A [Manifest] that came from a peer is [Decode]d,
// which takes nothing else than that encoding of a manifest within the bounds:
// no path that leaves the tree or that one of the supported systems can't hold,
// no two names that are one where case is ignored, nothing unsorted or twice.
// Whether it follows its parent, deletions and all, is [Manifest.Follows]. To a node that
// has the parent it travels as what differs ([Manifest.Delta], [DecodeDelta]); what is made
// of that has the same hash, or is refused.
//
// # Its way
//
// A server's files change. What they are now is a draft on the release that was
// applied there; [New] makes a manifest of it, and its contents go to the blob
// store (package store). The active booster takes it if its parent is still the
// head of the sequence (package history). If the head has moved on, [Rebase]
// puts the change on top of it: what only one side changed is merged, and where
// both changed one path the release that was first wins and the other version
// is kept aside. The other nodes fetch the manifest and the blobs they miss, and
// stage and apply them (package apply). [Revert] brings an older release's
// content back as a new release; package textdiff shows what changed.
//
//	draft ── New ──▶ proposed ── accepted ──▶ in the history ── staged ──▶ applied
//	                    │  ▲
//	             stale  ▼  │ again, on the head
//	                   Rebase ──▶ conflicts kept aside
//
// # On disk
//
// Each package keeps its own folder: blobs (store), the sequence and who
// published what (history), what the tree holds, plans and kept versions
// (apply). None of them reads another's.
//
// # What fails, and what happens then
//
// The functions here touch no disk and no network: they return an error that
// names what is wrong with the input, or they succeed. A refused manifest has no
// effect at all. What a crash leaves is each package's own subject; all of them
// hold that what was reported as done is on the disk, and that what was begun is
// finished or undone at the next start.
//
// # Bounds
//
// A manifest has at most 64 MiB, 200,000 files and as many deletions, and 64 GiB
// in all its files; a path has at most 1,024 bytes and each name in it 255.
package release
