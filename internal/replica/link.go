package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// callTime is how long a peer may take to answer, but for a file's content.
	callTime = 10 * time.Second
	// maxPending bounds the paths that wait to be told to a peer one by one. Beyond
	// it digests are compared.
	maxPending = 10 * MaxBatch
	// firstAgain and lastAgain bound the wait before a peer that could not be told,
	// or asked, is asked again.
	firstAgain = 500 * time.Millisecond
	lastAgain  = 30 * time.Second
	// sureAfter is how long a peer must have said that it keeps no folder: one that has
	// just been started says so too.
	sureAfter = 3 * time.Second
)

// link tells one peer what is new, and compares what both know. Its fields are
// guarded by Replica.mu.
type link struct {
	peer    string
	wake    chan struct{}       // has room for one
	pending map[string]struct{} // paths to tell
	compare bool                // digests are to be compared now
	waiting []chan error        // want to know how that ended
	known   bool                // what the peer knows has been taken in since it came
	none    time.Time           // since when the peer says that it has no folder; zero: it does not
	sure    bool                // that has been so for long enough
	cancel  context.CancelFunc
}

// look finds out who is alive. Who has come is compared with at once.
func (r *Replica) look(ctx context.Context) {
	r.gate()
	alive := make(map[string]bool)
	for _, peer := range r.cfg.Peers.Alive() {
		alive[peer] = peer != r.cfg.Node
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	alone := len(r.links) == 0
	for peer, l := range r.links {
		if !alive[peer] {
			l.cancel()
			delete(r.links, peer)
		}
	}
	r.level() // a peer that never answered may be gone
	for peer := range alive {
		if !alive[peer] || r.links[peer] != nil {
			continue
		}
		if alone {
			r.leveled = time.Time{} // the others may have gone on without this node
		}
		ctx, cancel := context.WithCancel(ctx)
		l := &link{peer: peer, wake: make(chan struct{}, 1), pending: make(map[string]struct{}), compare: true, cancel: cancel}
		r.links[peer] = l
		wake(l.wake)
		r.tasks.Go(func() { r.serveLink(ctx, l) })
	}
}

// tell has all peers told of paths.
func (r *Replica) tell(paths []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.links {
		for _, path := range paths {
			if len(l.pending) >= maxPending {
				clear(l.pending)
				l.compare = true
			}
			if !l.compare {
				l.pending[path] = struct{}{}
			}
		}
		if len(paths) > 0 {
			wake(l.wake)
		}
	}
}

// serveLink is a link's goroutine.
func (r *Replica) serveLink(ctx context.Context, l *link) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, w := range l.waiting {
			w <- errors.New("the peer is not alive any more")
		}
		l.waiting = nil
	}()
	timer := time.NewTimer(r.nextCompare())
	defer timer.Stop()
	fails := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-timer.C:
			r.mu.Lock()
			l.compare = true
			r.mu.Unlock()
		}
		err := r.exchange(ctx, l)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			fails = 0
			r.forget("peer " + l.peer + ": link")
			timer.Reset(r.nextCompare())
			continue
		}
		r.mu.Lock()
		l.compare = true
		r.mu.Unlock()
		if !errors.Is(err, ErrNoFolder) {
			r.sayPeer(l.peer, "link", "a peer can't be told or asked; it is tried again", err)
		}
		again := min(firstAgain<<min(fails, 10), lastAgain)
		timer.Reset(again + rand.N(again/2))
		fails++
	}
}

func (r *Replica) nextCompare() time.Duration {
	return r.cfg.Reconcile - r.cfg.Reconcile/8 + rand.N(r.cfg.Reconcile/4+1)
}

// exchange tells the peer what is pending, or compares all.
func (r *Replica) exchange(ctx context.Context, l *link) error {
	for {
		r.mu.Lock()
		ready, compare, waiting := r.ready, l.compare, l.waiting
		paths := slices.Sorted(maps.Keys(l.pending))
		clear(l.pending)
		if ready {
			l.compare, l.waiting = false, nil
		}
		r.mu.Unlock()
		switch {
		case !ready:
			return ErrNotReady
		case compare:
			err := r.noFolder(l, r.compareWith(ctx, l.peer))
			if err == nil {
				r.mu.Lock()
				l.known = true
				r.level()
				r.mu.Unlock()
			}
			for _, w := range waiting {
				w <- err
			}
			if err != nil {
				return err
			}
		case len(paths) == 0:
			return nil
		default:
			if l.sure {
				continue // it is asked again as others are compared with
			}
			if err := r.push(ctx, l.peer, r.entriesOf(paths)); err != nil {
				return err // the digests are compared next, so nothing is lost
			}
		}
	}
}

// noFolder says what a comparison means: with a peer that surely keeps no folder nothing
// is left to do. It is for the link's goroutine.
func (r *Replica) noFolder(l *link, err error) error {
	if !errors.Is(err, ErrNoFolder) {
		l.none, l.sure = time.Time{}, false
		return err
	}
	if l.none.IsZero() {
		l.none = time.Now()
	}
	if time.Since(l.none) < sureAfter {
		return err
	}
	if !l.sure {
		l.sure = true
		r.log.Info("a peer keeps no folder alike", "peer", l.peer)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		r.askedNow(l.peer)
	}
	return nil
}

// entriesOf lists what is known of paths and may be told.
func (r *Replica) entriesOf(paths []string) []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Entry
	for _, path := range paths {
		if rec := r.index.get(path); rec.entry != nil && !rec.unsure {
			out = append(out, *rec.entry)
		}
	}
	return out
}

func (r *Replica) push(ctx context.Context, peer string, entries []Entry) error {
	for batch := range slices.Chunk(entries, MaxBatch) {
		ctx, cancel := context.WithTimeout(ctx, callTime)
		err := r.cfg.Peers.Push(ctx, peer, batch)
		cancel()
		if err != nil {
			return fmt.Errorf("push: %w", err)
		}
	}
	return nil
}

// compareWith makes this node and a peer know the same.
func (r *Replica) compareWith(ctx context.Context, peer string) error {
	mine, err := r.Digest()
	if err != nil {
		return err
	}
	theirs, err := r.askDigest(ctx, peer)
	if err != nil {
		return fmt.Errorf("ask for the digest: %w", err)
	}
	var tell []Entry
	for i := range Buckets {
		if mine.Buckets[i] == theirs.Buckets[i] && !mine.Away {
			continue
		}
		more, err := r.compareBucket(ctx, peer, i)
		if err != nil {
			return fmt.Errorf("ask for entries: %w", err)
		}
		tell = append(tell, more...)
		if len(tell) < MaxBatch {
			continue
		}
		if err := r.push(ctx, peer, tell); err != nil { // now, for a new peer lacks all
			return err
		}
		tell = nil
	}
	if err := r.push(ctx, peer, tell); err != nil {
		return err
	}
	return r.met(ctx, peer, theirs)
}

func (r *Replica) askDigest(ctx context.Context, peer string) (Digest, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return r.cfg.Peers.Digest(ctx, peer)
}

// compareBucket takes in what a peer knows of a bucket and returns what the peer
// does not.
func (r *Replica) compareBucket(ctx context.Context, peer string, bucket int) ([]Entry, error) {
	seen := make(map[string]bool) // true: the peer knows no less
	// Hashes spread paths evenly: a bucket of many times its share is made up.
	most := (r.cfg.MaxFiles+2*r.cfg.MaxTombstones)/Buckets*8 + MaxBatch
	for p := (Page{Bucket: bucket}); ; {
		page, err := r.askPage(ctx, peer, p)
		if err != nil {
			return nil, err
		}
		older, err := r.takeAll(peer, page.Entries)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Entries {
			seen[e.Path] = !older[e.Path]
		}
		if !page.More {
			break
		}
		if len(seen) > most {
			return nil, fmt.Errorf("more than %d entries in one bucket", most)
		}
		p.After = page.Entries[len(page.Entries)-1].Path
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var tell []Entry
	for path, rec := range r.index.buckets[bucket].records {
		if rec.entry != nil && !rec.unsure && !seen[path] {
			tell = append(tell, *rec.entry)
		}
	}
	return tell, nil
}

// askPage asks a peer for a page and refuses what is none.
func (r *Replica) askPage(ctx context.Context, peer string, p Page) (Entries, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	page, err := r.cfg.Peers.Entries(ctx, peer, p)
	if err != nil {
		return Entries{}, err
	}
	if len(page.Entries) > MaxBatch || page.More && len(page.Entries) == 0 {
		return Entries{}, fmt.Errorf("a page of %d entries", len(page.Entries))
	}
	last := p.After
	for _, e := range page.Entries {
		if e.Path <= last || bucketOf(e.Path) != p.Bucket {
			return Entries{}, fmt.Errorf("path %q is on the wrong page", e.Path)
		}
		last = e.Path
	}
	return page, nil
}
