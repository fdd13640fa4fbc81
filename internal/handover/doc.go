// Package handover moves listening addresses from one set of sockets of a process to
// the next, so that no client that connects meanwhile is turned away.
//
// A server that is replaced in a running process, as Caddy does at a reload, opens
// sockets of its own with SO_REUSEPORT and has them closed that were there before. The
// kernel spreads new connections over all sockets of an address, and it resets what lies
// in a socket that is closed: connections that nobody has accepted yet, and handshakes
// whose last packet is on its way. Under load there always are some.
//
// # How it works
//
//  1. Prepare, before others are opened: all new connections go on to the sockets that
//     are there. Others that are opened get none yet, so that they may also be closed
//     again, when the new server fails to start.
//  2. Switch, when the new server accepts: all new connections go to its sockets. Those
//     from before still have what they were given until then, and their server goes on
//     accepting.
//  3. Empty, until it says so: then the sockets from before can be closed.
//
// Hold is for a server that is not replaced: new connections are neither taken nor
// refused, while what was begun ends. A client's kernel sends the first packet of a
// connection again after a second (RFC 6298 section 2), and so reaches whoever listens
// then.
//
// What chooses the socket is a classic BPF program of one instruction on the address's
// group of sockets (SO_ATTACH_REUSEPORT_CBPF, socket(7)), which needs no rights. It
// returns the socket's place in the group: sockets come in the order in which they began
// to listen. Where one is closed the last takes its place, so that the order is known
// only of a group that had one socket when the others came; Prepare waits for that, and
// Switch moves nothing to a group that has another size than it expects, which could
// also have sockets of another process. A place that the group does not have means that
// the kernel spreads connections itself: a program that outlives its purpose does no harm.
//
// The program can't be attached through a Multipath TCP socket, which Go's listeners are.
// So a plain TCP socket joins the group for that moment. A filter on it drops what it is
// given meanwhile, which is sent again. Without CAP_NET_ADMIN new kernels refuse the filter;
// then the hop limit does, for all but neighbours that begin with the highest one, as some
// load balancers do: of theirs a connection that falls into that moment may be lost.
//
// Empty asks the kernel (sock_diag(7)) for how many connections wait in the sockets, and
// whether the handshakes that were under way when it was called first have ended. A client
// that does not answer any more keeps it from saying so until the kernel gives up, after a
// minute: whoever waits needs a deadline.
//
// # What fails, and what happens then
//
// An address of which the order is not known, or a kernel without SO_REUSEPORT programs
// or sock_diag, is left out and named in the error; for it the kernel spreads new
// connections as before. Nothing here outlives the process, and nothing closes or changes
// the sockets themselves. Elsewhere than on Linux all functions return
// errors.ErrUnsupported.
package handover
