// Package marks is a small map that is the same on all nodes of a cluster: what
// operators told it, such as which servers are drained.
//
// # How it works
//
// Each entry is a last-writer-wins register. Its version is a Lamport counter
// and the name of the node that wrote it; of two versions of one key the one
// with the higher counter wins, and of equal counters the one with the greater
// name, on every node alike. A writer takes a counter above all it has seen, so
// what is written later by somebody who knew of the earlier always wins,
// whatever the clocks say. Merging is commutative, associative and idempotent:
// messages may be lost, doubled or reordered.
//
// A deletion is an entry too (a tombstone), kept for 24 hours after this node
// learned of it, so that a node that was away for less can't bring back what
// was deleted. A node that was away for longer finds no tombstone that would
// tell it. It therefore notes in its file when it was last running, and when
// that is more than 24 hours ago it takes the word of the first peer that was
// not away: what that peer does not have is dropped. If all peers were away as
// long, everything is kept, and after 24 hours together nobody is away any more.
//
// A node that has no file says so too, until it has a peer's map: that it does not
// have something means nothing. Otherwise a node that is added when all others were
// off for some days would have them drop all that they were told before.
//
// # Bounds
//
// Keys have 1 to 128 bytes, values at most 512, both UTF-8; at most 4096
// entries including tombstones are kept. When the map is full, Set of a new
// key fails with ErrFull, and new keys from peers are left out and counted.
//
// # What fails, and what happens then
//
// The map lives in memory; the file in the state directory is what a restart
// begins with. A file that can't be read is kept under another name and the
// node begins with an empty map, which the peers fill. A file that can't be
// written is reported (Save's error) and the map goes on in memory.
//
// Nothing here starts a goroutine or touches the network: the owner moves the
// encoded entries and decides when to save.
package marks
