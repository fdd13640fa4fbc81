package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Receive takes in what a peer tells. An entry that is beyond the bounds, or can't
// be on this node, is left out and named in the log. The error matches ErrNotReady
// before the folder was looked at.
func (r *Replica) Receive(peer string, entries []Entry) error {
	if len(entries) > MaxBatch {
		return fmt.Errorf("%d entries in one message: at most %d", len(entries), MaxBatch)
	}
	_, err := r.takeAll(peer, entries)
	return err
}

// takeAll takes in what a peer told, and returns the paths of which this node knows
// something newer.
func (r *Replica) takeAll(peer string, entries []Entry) (older map[string]bool, err error) {
	var refused []error
	defer func() {
		for _, why := range refused {
			r.log.Warn("what a peer tells is refused", "peer", peer, "error", why)
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ready {
		return nil, ErrNotReady
	}
	now := r.cfg.now()
	older = make(map[string]bool)
	for i := range entries {
		e := &entries[i]
		v, err := r.index.take(e, now)
		switch {
		case err != nil:
			r.refusals++
			if cause := peer + ": " + err.Error(); len(r.saidRefused) < maxSaid && !r.saidRefused[cause] {
				r.saidRefused[cause] = true
				refused = append(refused, err)
			}
		case v == olderHere:
			older[e.Path] = true
		case v == taken:
			r.noteEntry(e)
			if rec := r.index.get(e.Path); !rec.done() {
				r.queue.want(e.Path)
			}
		}
	}
	r.save()
	return older, nil
}

// Entries is a page of what this node knows. The error matches ErrNotReady before
// the folder was looked at.
func (r *Replica) Entries(p Page) (Entries, error) {
	if err := p.Validate(); err != nil {
		return Entries{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ready {
		return Entries{}, ErrNotReady
	}
	return r.index.page(p), nil
}

// Open opens a content that this node has, for a peer. It waits while eight others
// are read; the reader must be closed. What it reads may have changed since: who
// asked compares size and hash. The error matches ErrNotHere if this node doesn't
// have it.
func (r *Replica) Open(ctx context.Context, b Blob) (io.ReadCloser, error) {
	if err := b.Validate(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	rec := r.index.get(b.Path)
	ready := r.ready
	r.mu.Unlock()
	switch {
	case !ready:
		return nil, ErrNotReady
	case !rec.present() || rec.local.SHA256 != b.SHA256 || rec.local.Size != b.Size:
		return nil, fmt.Errorf("path %q: %w", b.Path, ErrNotHere)
	}
	select {
	case r.sends <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	f, err := r.openFile(b.Path)
	if err != nil {
		<-r.sends
		return nil, fmt.Errorf("path %q: %w", b.Path, errors.Join(ErrNotHere, err))
	}
	return &sent{ReadCloser: f, sends: r.sends}, nil
}

func (r *Replica) openFile(path string) (io.ReadCloser, error) {
	t, err := r.cfg.openTree()
	if err != nil {
		return nil, err
	}
	defer t.Close()
	info, err := t.Lstat("look at the file", path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no file any more")
	}
	return t.FS.Open("open the file", path)
}

// sent gives its place back when it is closed.
type sent struct {
	io.ReadCloser
	sends chan struct{}
}

func (s *sent) Close() error {
	if s.sends != nil {
		<-s.sends
		s.sends = nil
	}
	return s.ReadCloser.Close()
}
