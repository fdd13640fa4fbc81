// Package api carries releases between nodes, over the HTTP control API that all
// nodes have on their cluster port.
//
//	POST /release/v1/propose   an agent asks the active booster to number a release
//	POST /release/v1/follow    the active booster copies its sequence to the other one
//	POST /release/v1/act       a booster passes on what an operator wants of a release
//	POST /release/v1/announce  an agent tells the other agents of a numbered release
//	POST /release/v1/offer     an agent tells others what a release may soon hold
//	POST /release/v1/publish   a booster asks an agent to publish what waits there
//	POST /release/v1/lost      a booster says what to make of files that are gone there
//	POST /release/v1/blobs     any node fetches contents of files from an agent
//	GET  /release/v1/chain     the releases after a number, from any node
//	GET  /release/v1/head      the newest release that any node knows
//	GET  /release/v1/standing  how the files of an agent stand
//
// # Messages
//
// Short ones are JSON. A manifest travels in its one encoding
// (release.Manifest.Encode). Several are a stream of a length (4 bytes, big-endian)
// and as many bytes each, ended by a length of 0, so that one that was cut off is
// told from a whole one. One that is new travels to nodes that should have its parent as
// what differs from it (release.Manifest.Delta), marked by the length's highest bit, or in a
// proposal by "delta": what they make of it is checked by its hash. A node that has not the
// parent says 424, one of an older version 422, and is sent the whole. What goes with a manifest is a line of JSON before it.
// Blobs are a stream of hash (32 bytes), size (8 bytes, big-endian) and content
// each, ended by a hash of zeros; what the sender does not have is left out.
//
// Contents have a connection of their own (Client.Stream).
//
// # Who may ask what
//
// Both sides of a connection are authenticated before a request gets here. An agent
// proposes releases of its own origin only, and only agents propose, announce and offer;
// boosters alone copy the sequence, pass on what operators want, have pending changes
// published, and say what to make of files that are gone. Every node of the cluster may read.
//
// # What fails, and what happens then
//
// A refusal is a text and a status code: 409 when this booster is not the active one
// (rollout.ErrNotActive), 412 with the head when a release does not follow it
// (*history.StaleError), 422 when it can't be a release at all (ErrRefused), 404 for
// a release that is not known (history.ErrUnknown), 423 when the server is being changed
// (ErrChanging), 403 when the peer may not ask
// this, 424 when a manifest came without what it shares with a parent that is not here
// (release.ErrNoParent), 503 when it can't be answered now; an agent that serves blobs to MaxStreams
// others already says 503 with Retry-After (ErrBusy), and another peer is asked.
// Nothing was stored of what was refused. A stream that breaks off, stands still for
// StallTime, or brings something that was not asked for ends with an error; what was
// handed over of it before is whole.
//
// # Bounds
//
// Manifests have release.MaxManifest, and a node reads maxBodies of them at a time;
// a question for blobs names MaxBlobs, which have exactly the sizes that the asking
// node knows them to have; MaxOffered contents are offered at a time. Other messages have 256 KiB.
//
// Everything may be used by any number of goroutines.
package api
