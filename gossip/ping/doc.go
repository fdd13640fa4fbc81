// Package ping asks a node of a cluster over UDP whether it is there, without being a
// member: it tells a network that lets no packets through from a node that is well.
//
// A ping is the very packet by which members probe each other (memberlist's ping,
// sealed under the cluster key), so that what answers is what would answer a member,
// and no node needs to know of this package. The answer goes back to the port it came
// from. Whatever comes there sealed under the cluster key counts: nobody else knows that
// port, and who has the key could answer properly as well. A node does not answer a ping
// that is for another name.
//
// # What fails, and what it looks like
//
// A node with another key answers nothing, and logs the stranger's address, at most once
// a minute; so does one that was never there, and a firewall. Ask over TCP for the key
// first, then no answer means that UDP is lost on the way there or back. Pings are sent
// again after 0.3, 0.6 and 1.2 s, since single packets may get lost.
//
// The node may add to its answer news that it has for members; such news is sent several
// times over anyway, and this package throws it away.
package ping
