package gossip

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/omflow/booster/gossip/internal/marks"
)

// ErrMarksFull: there are 4096 marks and a new key was to be set.
var ErrMarksFull = marks.ErrFull

// saveInterval is how often the file of the marks is written even if nothing
// changed: it says that this node was there.
const saveInterval = time.Hour

// Mark is a change of one key.
type Mark struct {
	Key   string
	Value string
	// Deleted is true if the key is gone.
	Deleted bool
	// Writer is the name of the node that wrote it.
	Writer string
}

// SetMark writes a mark, here at once and on all other nodes within about a
// second. The key has 1 to 128 bytes, the value at most 512, both UTF-8. If two
// nodes write one key at the same moment, all keep the same one of the two.
func (n *Node) SetMark(key, value string) error {
	n.marking.Lock()
	defer n.marking.Unlock()
	e, b, err := n.marks.Set(key, value)
	if err != nil {
		return err
	}
	n.spread(e, b)
	return nil
}

// DeleteMark removes a mark everywhere. It is no error if there is none.
func (n *Node) DeleteMark(key string) error {
	n.marking.Lock()
	defer n.marking.Unlock()
	e, b, err := n.marks.Delete(key)
	if err != nil {
		return err
	}
	n.spread(e, b)
	return nil
}

// Mark returns the value of key and whether there is one.
func (n *Node) Mark(key string) (value string, ok bool) { return n.marks.Get(key) }

// Marks returns a copy of all marks.
func (n *Node) Marks() map[string]string { return n.marks.All() }

// SubscribeMarks calls f for each mark that changes, also by this node itself.
// f is called from one goroutine; while it runs, an older value of a key makes
// way for a newer one. Marks that are there already are not told.
func (n *Node) SubscribeMarks(f func(Mark)) (cancel func()) { return n.markNotify.subscribe(f) }

// spread sends a change on its way. Callers hold marking.
func (n *Node) spread(e marks.Entry, b []byte) {
	n.broadcasts.QueueBroadcast(markBroadcast{key: e.Key, b: b})
	n.tellMark(e)
	poke(n.save)
}

// tellMark tells the subscribers. Callers hold marking.
func (n *Node) tellMark(e marks.Entry) {
	n.markNotify.publish(e.Key, Mark{Key: e.Key, Value: e.Value, Deleted: e.Deleted, Writer: e.Writer})
}

// takeMarks merges what came from a peer. What is news and came as gossip is
// gossiped on; what came with a whole state is not, since each node exchanges
// its state with others anyway.
func (n *Node) takeMarks(b []byte, whole bool) {
	n.marking.Lock()
	defer n.marking.Unlock()
	news, err := n.marks.Merge(b, whole)
	if err != nil {
		n.count.marksRefused.Add(1)
		n.quiet.Event(slog.LevelWarn, "marks|decode", "marks of a peer can't be read", slog.Any("error", err))
		return
	}
	if len(news) == 0 {
		return
	}
	for _, e := range news {
		n.tellMark(e)
	}
	if !whole && len(news) == 1 {
		n.broadcasts.QueueBroadcast(markBroadcast{key: news[0].Key, b: b})
	}
	poke(n.save)
}

// markBroadcast is a change of a mark on its way.
type markBroadcast struct {
	key string
	b   []byte
}

var _ memberlist.NamedBroadcast = markBroadcast{}

// Invalidates implements memberlist.Broadcast: a newer change of the same key
// takes the place of an older one.
func (m markBroadcast) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(markBroadcast)
	return ok && o.key == m.key
}

// Name implements memberlist.NamedBroadcast.
func (m markBroadcast) Name() string { return m.key }

// Message implements memberlist.Broadcast.
func (m markBroadcast) Message() []byte { return m.b }

// Finished implements memberlist.Broadcast.
func (m markBroadcast) Finished() {}

// keepMarks writes the marks to disk when they change, and forgets old
// tombstones, until ctx ends.
func (n *Node) keepMarks(ctx context.Context) {
	retry := time.NewTicker(n.timing.maintenance)
	defer retry.Stop()
	hourly := time.NewTicker(saveInterval)
	defer hourly.Stop()
	for {
		select {
		case <-ctx.Done():
			n.saveMarks(true)
			return
		case <-n.save:
			n.saveMarks(false)
		case <-retry.C: // writes only what could not be written before
			n.saveMarks(false)
		case <-hourly.C:
			n.marks.Expire()
			n.saveMarks(true)
		}
	}
}

func (n *Node) saveMarks(always bool) {
	err := n.marks.Save(always)
	if err == nil {
		n.problems.solved(saveKey)
		return
	}
	text := fmt.Sprintf("%v; after a restart of all nodes they are lost", err)
	if n.problems.see(saveKey, marksSubject, text) {
		n.logger().Error("marks can't be kept", "error", err)
	}
}
