package gossip

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/omflow/booster/gossip/internal/marks"
	"github.com/omflow/booster/gossip/internal/quiet"
	"github.com/omflow/booster/gossip/internal/seal"
	"github.com/omflow/booster/internal/trust"
)

// leaveTimeout bounds Leave when its context has no end.
const leaveTimeout = 2 * time.Second

// Node is this process's part in the cluster. New opens its port, Start takes
// part, Leave says goodbye, Close ends it. All methods may be called
// concurrently.
type Node struct {
	name        string
	timing      timing
	meta        []byte
	incarnation uint64

	cfg      atomic.Pointer[Config] // with its defaults
	handler  atomic.Pointer[http.Handler]
	handlers packetHandlers

	id         *trust.Identity
	quiet      *quiet.Log
	count      counters
	transport  *transport
	members    *table
	metas      *metas
	seeds      *seeds
	problems   *problems
	reports    *reports
	marks      *marks.Store
	marking    sync.Mutex // from a change of marks until it is told and sent, or an older one would take its place
	markNotify *notifier[Mark]
	broadcasts *memberlist.TransmitLimitedQueue
	reachable  atomic.Int32 // members that are alive or suspect
	taken      taken        // by refresh
	client     *http.Client
	streams    *http.Client // for answers of megabytes
	server     *http.Server

	look      chan struct{} // the member table may have changed
	lost      chan struct{} // a member has died or left
	save      chan struct{} // marks have changed
	conflicts chan conflict

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex // life cycle
	list    *memberlist.Memberlist
	left    bool
	closed  bool
	closing chan struct{} // closed when Close is done
}

// New opens the port and prepares a node that takes no part yet. Its errors
// say what to do about them.
func New(c Config) (*Node, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("make gossip node: %w", err)
	}
	c = c.withDefaults()
	n := &Node{
		name:        c.Name,
		timing:      *c.timing,
		incarnation: uint64(time.Now().UnixNano()),
		members:     newTable(),
		metas:       newMetas(),
		seeds:       newSeeds(),
		problems:    newProblems(),
		reports:     newReports(),
		markNotify:  newNotifier[Mark](),
		look:        make(chan struct{}, 1),
		lost:        make(chan struct{}, 1),
		save:        make(chan struct{}, 1),
		conflicts:   make(chan conflict, 16),
		closing:     make(chan struct{}),
	}
	n.cfg.Store(&c)
	n.quiet = quiet.New(n.logger)
	n.broadcasts = &memberlist.TransmitLimitedQueue{
		NumNodes:       func() int { return int(n.reachable.Load()) },
		RetransmitMult: retransmitMult,
	}
	var err error
	if n.meta, err = (meta{Kind: c.Kind, Version: c.Version, Incarnation: n.incarnation}).encode(); err != nil {
		return nil, fmt.Errorf("make gossip node: %w", err)
	}
	if n.id, err = trust.NewIdentity(trust.Config{Self: trust.Peer{Name: c.Name, Kind: c.Kind}, Keys: c.Keys}); err != nil {
		return nil, fmt.Errorf("make gossip node: %w", err)
	}
	ring, err := seal.NewRing(c.Keys.Gossip())
	if err != nil {
		return nil, fmt.Errorf("make gossip node: %w", err)
	}
	tcp, udp, err := listen(c.Listen)
	if err != nil {
		return nil, err
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	advertise, err := advertised(n.ctx, c, boundTo(tcp))
	if err != nil {
		n.stop()
		_, _ = tcp.Close(), udp.Close()
		return nil, fmt.Errorf("make gossip node: %w", err)
	}
	// With the port open no other process of this machine is this node, so the
	// file of its marks is its own.
	if n.marks, err = marks.Open(c.Name, c.StateDir); err != nil {
		n.problems.see(loadKey, marksSubject, err.Error())
		n.logger().Error("marks can't be read; the other nodes' are used", "error", err)
	}
	n.transport = n.newTransport(tcp, udp, ring, advertise)
	n.client, n.streams = n.newControlClient(), n.newStreamClient()
	n.server = n.newControlServer()
	return n, nil
}

func (n *Node) newTransport(tcp *net.TCPListener, udp *net.UDPConn, ring *seal.Ring, advertise netip.AddrPort) *transport {
	t := &transport{
		id:        n.id,
		ring:      ring,
		quiet:     n.quiet,
		count:     &n.count,
		handshake: n.timing.handshake,
		advertise: advertise,
		onMessage: n.takePacket,
		handlers:  &n.handlers,
		tcp:       tcp,
		udp:       udp,
		packets:   make(chan *memberlist.Packet),
		streams:   make(chan net.Conn),
		control:   newHandover(tcp.Addr()),
		admit:     newAdmission(),
		conns:     newConnections(&n.count),
		answers:   &answers{m: make(map[string]answer)},
	}
	t.ctx, t.stop = context.WithCancel(n.ctx)
	return t
}

// retransmitMult is by how much more often than the logarithm of the cluster's
// size news is repeated: memberlist's value for local networks.
const retransmitMult = 4

// memberlistConfig says how memberlist runs. Periods are in defaultTiming.
func (n *Node) memberlistConfig() *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	d := delegate{n}
	c.Name = n.name
	c.Transport = n.transport
	c.BindPort = int(n.transport.advertise.Port())
	c.Delegate, c.Events, c.Conflict, c.Alive = d, d, d, d
	c.Logger = log.New(logWriter{n}, "", 0)
	// Sealing and the frame's byte are the transport's.
	c.UDPBufferSize = maxFrame
	// Messages are small, and unpacking what a peer packed needs a bound of its
	// own.
	c.EnableCompression = false
	// Dialling checks the name of who answers.
	c.RequireNodeNames = false
	c.ProbeInterval = n.timing.probe
	c.ProbeTimeout = n.timing.probeWait
	// A member that does not answer has three probe intervals, a second, to say that
	// it lives, times the logarithm of the cluster's size to the base of 10: 2.4 s
	// among 200. memberlist's value of four, and 500 ms between probes, would take 4.6 s there.
	c.SuspicionMult = 3
	// Without confirmation by others, three times that: half of memberlist's
	// value, which is for clusters of thousands.
	c.SuspicionMaxTimeoutMult = 3
	// A node that is itself late waits up to four times as long before it
	// blames others: half of memberlist's value, since there are few to blame.
	c.AwarenessMaxMultiplier = 4
	c.RetransmitMult = retransmitMult
	c.GossipInterval = n.timing.gossip
	c.PushPullInterval = n.timing.pushPull
	c.GossipToTheDeadTime = n.timing.toTheDead
	c.DeadNodeReclaimTime = n.timing.reclaim
	// A stream is one exchange of a few kilobytes.
	c.TCPTimeout = n.timing.handshake
	return c
}

// Start takes part in the cluster: it accepts peers, joins those in
// Config.Join, and goes on trying. It does not wait for them.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.list != nil {
		return errors.New("start gossip node: it was started or closed before")
	}
	n.transport.start()
	list, err := memberlist.Create(n.memberlistConfig())
	if err != nil {
		return fmt.Errorf("start gossip node: %w", err)
	}
	n.list = list
	n.refresh()

	n.wg.Go(func() { _ = n.server.Serve(n.transport.control) })
	n.wg.Go(func() { n.watch(n.ctx) })
	n.wg.Go(func() { n.sendReports(n.ctx) })
	for range senders {
		n.wg.Go(func() { n.sendQueue(n.ctx) })
	}
	n.wg.Go(func() { n.keepMarks(n.ctx) })
	n.wg.Go(func() { n.members.notify.run(n.ctx) })
	n.wg.Go(func() { n.reports.notify.run(n.ctx) })
	n.wg.Go(func() { n.markNotify.run(n.ctx) })
	n.seeds.set(n.ctx, n.config().Join, n.keepJoined)
	return nil
}

// watch keeps the member table up to date and does the housekeeping.
func (n *Node) watch(ctx context.Context) {
	// Besides the delegate's calls, since nobody is called when a member
	// becomes suspect.
	tick := time.NewTicker(n.timing.probe)
	defer tick.Stop()
	tidy := time.NewTicker(n.timing.maintenance)
	defer tidy.Stop()
	// Where hundreds join at once, changes are looked at together: each look costs
	// in proportion to the number of members. Losses wait for less.
	look, lost := n.look, n.lost
	var lookAgain, lostAgain <-chan time.Time
	refresh := func() {
		n.refresh()
		look, lookAgain = nil, time.After(n.perSize(n.timing.coalesce))
		lost, lostAgain = nil, time.After(n.timing.coalesce)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			poke(n.look)
		case <-look:
			refresh()
		case <-lost:
			refresh()
		case <-lookAgain:
			look, lookAgain = n.look, nil
		case <-lostAgain:
			lost, lostAgain = n.lost, nil
		case c := <-n.conflicts:
			n.takeConflict(c)
		case <-tidy.C:
			n.quiet.Flush()
		}
	}
}

// Leave tells the others that this node goes, so that they show it as left and
// not as dead. It returns when they were told, at the latest at the deadline of
// ctx or after two seconds; that nobody was told is no error. Close must follow.
func (n *Node) Leave(ctx context.Context) error {
	// Held throughout, since memberlist must not be left once it is shut down.
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.list == nil || n.left {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("leave cluster: %w", err)
	}
	n.left = true
	n.seeds.stop()
	timeout := leaveTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(min(timeout, time.Until(deadline)), time.Millisecond)
	}
	if err := n.list.Leave(timeout); err != nil {
		// It fails in no other way than by waiting in vain, as the last one to go does while
		// it takes the others for alive.
		n.logger().Info("nobody has heard in time that this node leaves; some may take it for dead", "error", err)
	}
	return nil
}

// Close ends the node: it closes the port and all connections, saves the marks
// and waits for all that the node has started, subscribers included; handlers
// of the control API are told by their request's context and not waited for.
// Without Leave before, the others take it for dead. Further calls wait for the
// first. Subscribers must not call it.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		<-n.closing
		return nil
	}
	n.closed = true
	list := n.list
	n.mu.Unlock()
	defer close(n.closing)

	n.stop()
	_ = n.server.Close()
	_ = n.transport.control.Close()
	var err error
	if list != nil {
		// Shutdown closes the transport, which ends what still waits for peers.
		err = list.Shutdown()
	}
	err = errors.Join(err, n.transport.Shutdown())
	n.seeds.stop()
	n.seeds.wg.Wait()
	n.client.CloseIdleConnections()
	n.streams.CloseIdleConnections()
	n.wg.Wait()
	n.quiet.Close()
	if err != nil {
		return fmt.Errorf("close gossip node: %w", err)
	}
	return nil
}

// Name returns the node's name.
func (n *Node) Name() string { return n.name }

// Addr returns the host:port where others reach this node.
func (n *Node) Addr() string { return n.transport.advertise.String() }

func (n *Node) config() *Config { return n.cfg.Load() }

func (n *Node) logger() *slog.Logger { return n.cfg.Load().Logger }
