package gossip

import (
	"context"
	"slices"
	"sync"
)

// notifier hands the latest value of each key to subscribers, in the order in
// which keys changed first. Publishing never blocks: while a subscriber is
// busy, a newer value of a key replaces the one that waits, so that no more
// waits than there are keys.
type notifier[V any] struct {
	wake chan struct{}

	mu      sync.Mutex
	subs    []*func(V) // pointers, so that they can be told apart
	pending map[string]V
	order   []string
}

func newNotifier[V any]() *notifier[V] {
	return &notifier[V]{
		wake:    make(chan struct{}, 1),
		pending: make(map[string]V),
	}
}

// subscribe adds f, and returns what removes it. After that returned, f may
// still be running once.
func (n *notifier[V]) subscribe(f func(V)) (cancel func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	own := &f
	n.subs = append(slices.Clone(n.subs), own)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.subs = slices.DeleteFunc(slices.Clone(n.subs), func(s *func(V)) bool { return s == own })
	}
}

func (n *notifier[V]) publish(key string, v V) {
	n.mu.Lock()
	if _, waits := n.pending[key]; !waits {
		n.order = append(n.order, key)
	}
	n.pending[key] = v
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run calls subscribers until ctx ends.
func (n *notifier[V]) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		}
		for ctx.Err() == nil {
			v, subs, ok := n.next()
			if !ok {
				break
			}
			for _, f := range subs {
				(*f)(v)
			}
		}
	}
}

func (n *notifier[V]) next() (v V, subs []*func(V), ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.order) == 0 {
		n.order = nil
		return v, nil, false
	}
	key := n.order[0]
	n.order = n.order[1:]
	v = n.pending[key]
	delete(n.pending, key)
	return v, n.subs, true
}
