// Package trust turns the one secret that all nodes of a cluster share into
// everything that they authenticate each other with.
//
// # The secret
//
// The cluster key is 32 random bytes, written in base64 (Generate makes one).
// HKDF with SHA-256 (RFC 5869) derives from each key, under distinct info
// strings so that no derived secret says anything of another:
//
//   - a 32-byte key that seals gossip packets (Keys.Gossip),
//   - a 32-byte key that signs sticky cookies (Keys.Cookie),
//   - a 32-byte key that makes labels, by which nodes find out whether they have the same
//     secret of another kind (Keys.Label),
//   - the seed of an Ed25519 certificate authority.
//
// Several keys may be in force at once: the first one is used, all are
// accepted. A cluster therefore changes its key without an interruption, one
// configuration reload on each node between the steps:
// [old] → [old, new] → [new, old] → [new].
//
// # Identities
//
// No certificate is stored anywhere. An Identity mints a short-lived one in
// memory, signed by the authority of the first key, with the node's kind and
// name in it as a URI (omflow://booster/booster-a). It is valid from 24 hours
// before to 48 hours after it was minted, and minted again 12 hours later when
// it is next used: two nodes understand each other as long as their clocks
// differ by less than 24 hours. Connections are TLS 1.3 only, both sides
// present a certificate, and neither session tickets nor any other resumption
// is used, so that each connection was verified against the keys in force.
//
// # What fails, and what happens then
//
// A peer whose certificate comes from an authority that is none of ours fails
// the handshake with ErrWrongKey; one whose certificate is not valid now fails
// it with ErrClock. A secret that is no key is refused by Parse, with the
// position of the secret and never with its text.
//
// # What this protects from
//
// Whoever has the cluster key is every node: it can mint any name. Names in
// certificates keep honest nodes apart (two that were given one name, an
// address that now belongs to another node); the key keeps strangers out.
//
// Without a configured key, Loopback gives a key that everybody knows. It is
// only for clusters all of whose addresses are loopback addresses, which
// AllLoopback tells; the caller checks it.
package trust
