package gossip

import "sync/atomic"

// Metrics are counters since the node was made, and two gauges.
type Metrics struct {
	// PacketsSent and PacketsReceived count UDP packets, of which the received
	// ones were sealed with one of our keys.
	PacketsSent, PacketsReceived uint64
	// PacketsRefused counts UDP packets that were not.
	PacketsRefused uint64
	// BytesSent and BytesReceived count what went over the port, in packets and
	// in streams, refused ones included, without the headers of UDP, TCP and IP.
	BytesSent, BytesReceived uint64
	// StreamsAccepted counts TCP connections that authenticated.
	StreamsAccepted uint64
	// StreamsRefused counts TCP connections that did not, or came when too many
	// others had not yet.
	StreamsRefused uint64
	// MessagesSent and MessagesFailed count reports that were sent over TCP, by
	// how it ended; MessagesDropped those that found the queue full.
	MessagesSent, MessagesFailed, MessagesDropped uint64
	// ReportsReceived counts reports that were taken, ReportsRefused those that
	// broke a rule, and ReportsOld those that came late or twice.
	ReportsReceived, ReportsRefused, ReportsOld uint64
	// MarksRefused counts messages about marks that could not be read or found
	// no room.
	MarksRefused uint64
	// JoinsFailed counts attempts at a peer that failed.
	JoinsFailed uint64
	// Members counts members by state, this node and peers that never answered
	// included.
	Members map[State]int
	// Problems is how many Problems would return.
	Problems int
}

// counters are what Metrics reads.
type counters struct {
	packetsSent, packetsReceived, packetsRefused  atomic.Uint64
	bytesSent, bytesReceived                      atomic.Uint64
	streamsAccepted, streamsRefused               atomic.Uint64
	messagesSent, messagesFailed, messagesDropped atomic.Uint64
	reportsReceived, reportsRefused, reportsOld   atomic.Uint64
	marksRefused, joinsFailed                     atomic.Uint64
}

// Metrics returns the counters as they are now.
func (n *Node) Metrics() Metrics {
	m := Metrics{
		PacketsSent:     n.count.packetsSent.Load(),
		PacketsReceived: n.count.packetsReceived.Load(),
		PacketsRefused:  n.count.packetsRefused.Load(),
		BytesSent:       n.count.bytesSent.Load(),
		BytesReceived:   n.count.bytesReceived.Load(),
		StreamsAccepted: n.count.streamsAccepted.Load(),
		StreamsRefused:  n.count.streamsRefused.Load(),
		MessagesSent:    n.count.messagesSent.Load(),
		MessagesFailed:  n.count.messagesFailed.Load(),
		MessagesDropped: n.count.messagesDropped.Load(),
		ReportsReceived: n.count.reportsReceived.Load(),
		ReportsRefused:  n.count.reportsRefused.Load(),
		ReportsOld:      n.count.reportsOld.Load(),
		MarksRefused:    n.count.marksRefused.Load() + n.marks.Left(),
		JoinsFailed:     n.count.joinsFailed.Load(),
		Members:         map[State]int{Alive: 0, Suspect: 0, Dead: 0, Left: 0},
		Problems:        len(n.Problems()),
	}
	for _, member := range n.Members() {
		m.Members[member.State]++
	}
	return m
}
