// Package vip puts a virtual IP address on a network interface, takes it off
// and announces it to the neighbours.
//
// Adding and removing go through rtnetlink; both may be repeated. An address
// that was added expires in the kernel after [Lifetime] unless it is added
// again: should the process and everything that watches it be gone at once, or
// frozen, the machine still gives it up by itself. An IPv6 address is added
// without duplicate address detection, which would take a second and which an
// address that moves on purpose would fail, and as deprecated, so that the
// machine's own connections don't come from it (RFC 6724 section 5, rule 3).
//
// Announcing an IPv4 address is a gratuitous ARP, as request and as reply,
// since some equipment heeds only one of the two (RFC 5227 section 3); an IPv6
// address an unsolicited neighbour advertisement to all nodes with the override
// flag (RFC 4861 section 7.2.6). Neighbours that had the other machine's
// hardware address then use this one's.
//
// # Connections
//
// An address that moves takes the connections to it from the processes that have
// them. So before a planned move [Address.Hold] has new ones wait,
// [Address.Connections] tells when those that exist have ended, down to the last
// acknowledgement, and [Address.Reset] ends what can't be waited for. All of it is of
// the kernel's doing, by listeners that hear nothing and by sock_diag: when the
// process ends in any way nothing of it is left.
//
// # Rights
//
// It needs CAP_NET_ADMIN and CAP_NET_RAW, an interface with a hardware address
// of six bytes, and Linux; [Config.Open] refuses what lacks, by name. The
// interface is looked up again each time, so that it may vanish and come back:
// meanwhile adding and announcing fail and removing has nothing to do.
package vip
