package gossip

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// queueLength bounds what waits to be sent over TCP. There are two boosters,
	// and a report that waits is not queued again; it fills only while it changes
	// and they don't answer.
	queueLength = 16

	// senders is how many messages are sent over TCP at a time, so that a
	// booster that hangs does not hold up what is for the other.
	senders = 2
)

// ReceivedReport is a report as it reached this node.
type ReceivedReport struct {
	Report
	// Received is when it came, by this node's clock.
	Received time.Time
}

// reports are the newest report of each server, and this node's own.
type reports struct {
	notify *notifier[ReceivedReport]
	wake   chan struct{}
	queue  chan outgoing

	mu       sync.Mutex
	m        map[string]ReceivedReport
	own      *Report
	version  uint64 // of own: how often it has changed
	changed  bool   // own, since it was last sent
	sequence uint64
	boosters map[string]told // by name
}

// told is what a booster was told over TCP.
type told struct {
	incarnation uint64 // of the booster
	version     uint64 // of the report that it was sent
	waits       bool   // for its answer
	has         bool   // it has answered that it has it
}

// outgoing is a message that waits to be sent over TCP.
type outgoing struct {
	to string
	b  []byte
	told
}

func newReports() *reports {
	return &reports{
		notify:   newNotifier[ReceivedReport](),
		wake:     make(chan struct{}, 1),
		queue:    make(chan outgoing, queueLength),
		m:        make(map[string]ReceivedReport),
		boosters: make(map[string]told),
	}
}

// SetReport makes r what is reported of this node's server from now on: to each
// booster, within 50 ms if it says something new, and again every second, or in
// a cluster of more than 32 members proportionally less often. Its Server must
// be this node's name. On an error nothing changes.
func (n *Node) SetReport(r Report) error {
	if r.Server == "" {
		r.Server = n.name
	}
	if r.Server != n.name {
		return fmt.Errorf("set report: server %q is not this node, %q", r.Server, n.name)
	}
	if err := r.Validate(); err != nil {
		return fmt.Errorf("set report: %w", err)
	}
	// The largest that the fields which are set when it is sent can make it.
	r.Time, r.Incarnation, r.Sequence = time.Now().UTC(), math.MaxUint64, math.MaxUint64
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("set report: %w", err)
	}
	if len(b) > maxReport {
		return fmt.Errorf("set report: %d bytes as JSON, more than %d; shorten the reason", len(b), maxReport)
	}
	n.reports.mu.Lock()
	defer n.reports.mu.Unlock()
	if n.reports.own != nil && n.reports.own.same(r) {
		return nil
	}
	n.reports.own, n.reports.changed = &r, true
	n.reports.version++
	poke(n.reports.wake)
	return nil
}

// Reports returns the newest report of each server by name. They stay after a
// server's agent is lost, until the member is forgotten: see Received and
// Members for whether they still say anything.
func (n *Node) Reports() []ReceivedReport {
	n.reports.mu.Lock()
	defer n.reports.mu.Unlock()
	out := make([]ReceivedReport, 0, len(n.reports.m))
	for _, r := range n.reports.m {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b ReceivedReport) int { return cmp.Compare(a.Server, b.Server) })
	return out
}

// SubscribeReports calls f for each report that is newer than the last of its
// server, also if it says the same. f is called from one goroutine; while it
// runs, an older report of a server makes way for a newer one.
func (n *Node) SubscribeReports(f func(ReceivedReport)) (cancel func()) {
	return n.reports.notify.subscribe(f)
}

// sendReports sends this node's report until ctx ends.
func (n *Node) sendReports(ctx context.Context) {
	tick := time.NewTicker(n.timing.report)
	defer tick.Stop()
	for periods := 1; ; periods++ {
		repeat := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if time.Duration(periods)*n.timing.report >= n.perSize(n.timing.report) {
				repeat, periods = true, 0
			}
		case <-n.reports.wake:
			select {
			case <-time.After(n.timing.coalesce):
			case <-ctx.Done():
				return
			}
		}
		n.sendReport(repeat)
	}
}

// sendReport sends the report in a packet when it has changed or is to be
// repeated, and over TCP to boosters that have not said yet that they have it.
func (n *Node) sendReport(repeat bool) {
	n.reports.mu.Lock()
	if n.reports.own == nil {
		n.reports.mu.Unlock()
		return
	}
	r, version := *n.reports.own, n.reports.version
	packet := repeat || n.reports.changed
	n.reports.changed = false
	n.reports.sequence++
	r.Sequence, r.Incarnation, r.Time = n.reports.sequence, n.incarnation, time.Now().UTC()
	n.reports.mu.Unlock()

	b, err := message{From: n.name, Address: n.Addr(), Report: r}.encode()
	if err != nil {
		// SetReport has checked every field, so no report can be too long.
		n.logger().Error("report can't be sent", "error", err)
		return
	}
	for _, m := range n.members.all() {
		if m.Self || m.Kind != KindBooster || !m.Reachable() {
			continue
		}
		if packet && len(b) <= maxFrame {
			if _, err := n.transport.writePacket(frameMessage, b, m.Address); err != nil {
				n.quiet.Event(slog.LevelDebug, "report|"+m.Name, "report not sent", slog.String("to", m.Name), slog.Any("error", err))
			}
		}
		out := outgoing{to: m.Name, b: b, told: told{incarnation: m.Incarnation, version: version, waits: true}}
		if !n.reports.mustTell(out) {
			continue
		}
		select {
		case n.reports.queue <- out:
		default:
			n.count.messagesDropped.Add(1)
			n.reports.answered(out, false)
		}
	}
}

// mustTell says whether out is to be sent over TCP, and notes that it is on its
// way then: not what this run of the booster has, or will get from the queue.
func (s *reports) mustTell(out outgoing) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.boosters[out.to]
	if known && t.incarnation == out.incarnation && t.version == out.version && (t.has || t.waits) {
		return false
	}
	s.boosters[out.to] = out.told
	return true
}

// answered notes what became of out.
func (s *reports) answered(out outgoing, has bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boosters[out.to] == out.told {
		s.boosters[out.to] = told{incarnation: out.incarnation, version: out.version, has: has}
	}
}

// sendQueue sends what waits for TCP until ctx ends.
func (n *Node) sendQueue(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case out := <-n.reports.queue:
			err := n.post(ctx, out)
			n.reports.answered(out, err == nil)
			if err != nil {
				n.count.messagesFailed.Add(1)
				n.quiet.Event(slog.LevelDebug, "post|"+out.to, "report not sent", slog.String("to", out.to), slog.Any("error", err))
				continue
			}
			n.count.messagesSent.Add(1)
		}
	}
}

func (n *Node) post(ctx context.Context, out outgoing) error {
	ctx, cancel := context.WithTimeout(ctx, messageTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, messagePath, bytes.NewReader(out.b))
	if err != nil {
		return fmt.Errorf("send message to %s: %w", out.to, err)
	}
	resp, err := n.Do(ctx, out.to, req)
	if err != nil {
		return fmt.Errorf("send message to %s: %w", out.to, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 256))
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("send message to %s: it answers %s: %q", out.to, resp.Status, text)
	}
	return nil
}

// takeMessage takes a report that came in. Over TCP, sender is the name in the
// peer's certificate; in a packet it is empty. The error says which rule the
// report broke.
func (n *Node) takeMessage(b []byte, sender string) error {
	m, err := decodeMessage(b)
	if err == nil {
		err = n.allowed(m, sender)
	}
	if err != nil {
		n.count.reportsRefused.Add(1)
		return err
	}
	if !n.reports.take(m.Report) {
		n.count.reportsOld.Add(1)
		return nil
	}
	n.count.reportsReceived.Add(1)
	return nil
}

// allowed says which rule about senders the message breaks.
func (n *Node) allowed(m message, sender string) error {
	if sender != "" && sender != m.From {
		return fmt.Errorf("report refused: it says that it is from %q and came from %q", m.From, sender)
	}
	if m.Report.Server != m.From {
		return fmt.Errorf("report refused: %q reports of server %q", m.From, m.Report.Server)
	}
	if m.From == n.name {
		return errors.New("report refused: it has this node's own name")
	}
	known, ok := n.members.get(m.From)
	switch {
	case !ok || !known.Reachable():
		return fmt.Errorf("report refused: %q is not a member", m.From)
	case known.Address != m.Address:
		return fmt.Errorf("report refused: it came from %q at %.80q, but that member is at %s", m.From, m.Address, known.Address)
	case known.Incarnation != m.Report.Incarnation:
		return fmt.Errorf("report refused: it is of another run of %q", m.From)
	}
	return nil
}

// takePacket takes a message that came in a packet.
func (n *Node) takePacket(b []byte) {
	if err := n.takeMessage(b, ""); err != nil {
		// Also what comes in the moments until a new member is known.
		n.quiet.Event(slog.LevelInfo, "report|"+err.Error(), err.Error())
	}
}

// take keeps r if it is newer than the last of its server, and says whether.
func (s *reports) take(r Report) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.m[r.Server]
	if ok && old.Incarnation == r.Incarnation && r.Sequence <= old.Sequence {
		return false
	}
	got := ReceivedReport{Report: r, Received: time.Now()}
	s.m[r.Server] = got
	s.notify.publish(r.Server, got)
	return true
}

// forget drops the reports of members that were forgotten, which also bounds
// their number.
func (s *reports) forget(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		delete(s.m, name)
		delete(s.boosters, name)
	}
}
