// Package gossip joins the nodes of a cluster: who is there, what they report
// of their servers, what operators told them, and a way to call each other.
//
// # One port
//
// Everything runs over one port, TCP and UDP, 5169 by default.
//
//   - TCP is TLS 1.3 with both sides authenticated (internal/trust). The
//     negotiated protocol (ALPN) tells what a connection is for:
//     "omflow-gossip/1" is a memberlist stream, "h2" and "http/1.1" are the
//     control API, an HTTP server whose handler the owner sets.
//   - UDP packets are sealed with AES-256-GCM under the cluster's keys
//     (gossip/internal/seal), by the transport and not by memberlist's keyring:
//     that one would encrypt TLS streams a second time, tells of packets it
//     can't open only in a log line, and while it removes a key shifts the very
//     slice that packets are being decrypted with. The first byte inside a
//     packet tells memberlist's from a report and from one of the owner's.
//
// A stranger gets no answer on UDP, and on TCP five seconds for a handshake,
// of which at most 16 from one address and 128 in all run at a time.
//
// # Membership
//
// memberlist (SWIM) does it, behind a Transport of ours. What Members returns is
// memberlist's own table, asked for over an in-memory stream with the protocol
// that peers use, because no other interface of it tells that a member is
// suspect. Members that died stay visible for a day, those that left for an
// hour. A peer named in Config.Join that never answered is shown as dead under
// the address it was given as.
//
// Each address in Join is tried until it answers, and again whenever the node
// behind it is lost: at once, then after 1 s, backing off to 5 s, jittered, for
// ever. Names are looked up again each time. A node may be told to join itself.
//
// Two live nodes of one name are a mistake: the second is not accepted by the
// others, both log it and show it in Problems. A node that was restarted with
// another address is accepted once its old self has been dead for five seconds.
//
// # Reports
//
// An agent hands its server's state to SetReport. It goes to each booster every
// second, and 50 ms after a change. Packets carry it; a change goes over the
// control API as well, and again each second until the booster has said that it
// has it, so that neither a lost packet nor a firewall that drops UDP keeps it
// away. A booster that was restarted is told anew. A report that is too large
// for a packet goes over the control API only. The queue to it is bounded: what
// finds no room is dropped, counted, and tried again a second later.
//
// A booster takes a report only if it names the server of the node that sent
// it, came from the address under which that node is a member, belongs to the
// run of the node that is a member now, and is newer than the last one. These
// rules keep misconfigured nodes apart; who has the cluster key can be anyone.
//
// # Marks
//
// SetMark and DeleteMark write to a small map that all nodes have
// (gossip/internal/marks): last writer wins, spread by gossip within a second,
// completed by the state exchange at each join and every 15 s, kept in the
// state directory.
//
// # Size
//
// The periods are for clusters of a few nodes and hold for some hundreds. What
// would grow with the number of members n grows more slowly than it, or not at
// all:
//
//   - Probes: one member every 350 ms, whatever n is.
//   - Reports: with more than 32 members they are repeated every n/32 seconds,
//     so that a booster gets as many in a second as from 32. A change is sent at
//     once at any size. The price is that a report which was lost on its way and
//     yet confirmed, which takes a bug, would be missed for longer.
//   - State exchanges: memberlist has them every 15 s, and from 32 members on
//     more rarely by the logarithm. Each carries all members, about 130 bytes
//     for one, and all marks.
//   - Looks at memberlist's table: each costs in proportion to n, so there are
//     fewer when many members change, and nothing is taken apart when none did.
//   - The time in which a suspect may say that it lives: three probe intervals
//     times log10 n, which is a second among ten and 2.4 s among 200. With
//     memberlist's four, and 500 ms between probes, it would be 2 s and 4.6 s.
//     The price is paid by a node that stands still, as a virtual machine does
//     while it is moved: it is taken for dead after two seconds instead of three.
//     That costs a line in the log, since the servers' health is another matter.
//
// Nodes that start at the same time learn of each other by gossip, and some are
// missed, because memberlist repeats news by the logarithm of the members that a
// node knows at that moment. So each node exchanges state a second time, three
// seconds after it has joined.
//
// TestScale measures all that with up to 200 agents in one process.
//
// # Packets of the owner's
//
// SendPacket and HandlePackets carry what must arrive within milliseconds or
// not at all, such as the heartbeat of a pair of boosters: one sealed packet,
// unordered, unconfirmed, and not protected against being sent again, which is
// for whoever uses them to do.
//
// # What fails, and what happens then
//
//   - The port is taken: New fails and says what to do.
//   - A peer has another key: refused on TCP and UDP, counted in Metrics, and
//     logged once a minute for each address.
//   - A peer is lost: suspect after about a second, dead one to three seconds
//     later; subscribers are told; it is tried for ever.
//   - The state directory can't be written: shown in Problems, marks live on in
//     memory and on the other nodes.
//
// # Threads
//
// All methods of Node may be called concurrently. memberlist calls our delegates
// under its own lock: they only store and wake, and never call back into it.
// Subscribers are called from one goroutine each for members, reports and
// marks, with the latest value of each key: a slow one delays the others and
// skips values that were overtaken, but never holds up the protocol.
package gossip
