package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

const (
	// stall is how long a peer may send nothing of a file.
	stall = 15 * time.Second
	// reserve is what fetching leaves free on the file system, in bytes.
	reserve = 16 << 20
)

var (
	// errChanged: the disk holds something that the index does not know yet.
	errChanged = errors.New("it was changed here, and that has not been taken in yet")
	// errFull: there is no room for a file.
	errFull = errors.New("the disk is full")
)

// work brings paths up to date until the queue is closed.
func (r *Replica) work(ctx context.Context) {
	name := staging + "/" + strconv.FormatUint(rand.Uint64(), 36)
	for {
		t := r.queue.next()
		if t == nil {
			return
		}
		err := r.update(ctx, t.path, name)
		if err != nil && ctx.Err() == nil {
			r.say("path "+t.path, "a file can't be brought up to date; it is tried again", "path", t.path, "error", err)
		}
		r.queue.done(t, err)
	}
}

// update makes the disk hold what all nodes should have at path. What has to be
// fetched is staged under the given name.
func (r *Replica) update(ctx context.Context, path, name string) error {
	r.mu.Lock()
	rec := r.index.get(path)
	r.mu.Unlock()
	if rec.done() || !r.cfg.Allowed(path) {
		return nil
	}
	t, err := r.openFolder()
	if err != nil {
		return err
	}
	defer t.Close()
	if rec.entry.Deleted {
		return r.remove(t, rec.entry)
	}
	// What is here already need not be fetched.
	switch here, err := r.compare(t, rec.entry); {
	case err != nil:
		return err
	case here:
		return nil
	}
	r.enterStaging()
	defer r.leaveStaging(t)
	if err := r.fetch(ctx, t, rec.entry, name); err != nil {
		return err
	}
	return r.place(t, rec.entry, name)
}

// enterStaging and leaveStaging keep the staging folder while it is used. At other
// times it must not be there: a folder that is empty must be seen to be.
func (r *Replica) enterStaging() {
	r.staging.Lock()
	defer r.staging.Unlock()
	r.staging.users++
}

func (r *Replica) leaveStaging(t *tree) {
	r.staging.Lock()
	defer r.staging.Unlock()
	if r.staging.users--; r.staging.users == 0 {
		_ = t.Remove("remove the staging folder", staging) // if it is there
	}
}

// compare finds out whether the disk holds e already, as after a crash that the
// index did not learn of.
func (r *Replica) compare(t *tree, e *Entry) (here bool, err error) {
	r.disk.Lock()
	defer r.disk.Unlock()
	r.mu.Lock()
	rec := r.index.get(e.Path)
	r.mu.Unlock()
	if rec.present() || rec.entry != e {
		return false, nil
	}
	if err := t.straight(e.Path); err != nil {
		return false, err
	}
	info, err := t.Lstat("look at the file's place", e.Path)
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() || info.Size() != e.Size {
		return false, errChanged
	}
	if _, h, err := t.hash(e.Path); err != nil || h != e.SHA256 {
		return false, errors.Join(errChanged, err)
	}
	if err := t.Chmod("set its rights", e.Path, info.Mode().Perm()&^0o111|mode(info.Mode(), e.Exec)&0o111); err != nil {
		return false, err
	}
	r.arrived(e, nil)
	return true, nil
}

// fetch stages e's content: what this node has at the path, if only the rights
// differ, else from its maker or whoever else has it.
func (r *Replica) fetch(ctx context.Context, t *tree, e *Entry, name string) error {
	if free, err := t.Free("look how much room there is"); err == nil && free < uint64(e.Size)+reserve {
		return fmt.Errorf("%w: %d bytes are free, %d are needed", errFull, free, e.Size+reserve)
	}
	r.mu.Lock()
	rec := r.index.get(e.Path)
	r.mu.Unlock()
	if rec.present() && rec.local.SHA256 == e.SHA256 {
		own, err := t.FS.Open("read the file", e.Path)
		if err != nil {
			return err
		}
		defer own.Close()
		return t.stage(name, own, e)
	}
	alive := slices.DeleteFunc(slices.Clone(r.cfg.Peers.Alive()), func(peer string) bool { return peer == r.cfg.Node })
	rand.Shuffle(len(alive), func(i, j int) { alive[i], alive[j] = alive[j], alive[i] })
	if i := slices.Index(alive, e.Version.last().Node); i > 0 {
		alive[0], alive[i] = alive[i], alive[0]
	}
	err := errors.New("no peer is alive")
	for _, peer := range alive {
		var theirs bool
		if theirs, err = r.fetchFrom(ctx, t, e, name, peer); !theirs {
			return err
		}
	}
	return fmt.Errorf("nobody could give it: %w", err)
}

// fetchFrom stages what a peer sends. theirs tells that an error is the peer's, so
// that others may be asked.
func (r *Replica) fetchFrom(ctx context.Context, t *tree, e *Entry, name, peer string) (theirs bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(stall, func() { cancel(fmt.Errorf("nothing came for %s", stall)) })
	defer timer.Stop()
	body, err := r.cfg.Peers.Fetch(ctx, peer, Blob{Path: e.Path, Size: e.Size, SHA256: e.SHA256})
	if err != nil {
		return true, fmt.Errorf("fetch from %s: %w", peer, err)
	}
	defer body.Close()
	in := &source{r: body, timer: timer, ctx: ctx}
	err = t.stage(name, in, e)
	var lie *lieError
	switch {
	case errors.As(err, &lie):
		r.sayPeer(peer, "lie", "a peer sent something else than it promised", fmt.Errorf("path %q: %w", e.Path, err))
		return true, fmt.Errorf("fetch from %s: %w", peer, err)
	case in.err != nil:
		return true, fmt.Errorf("fetch from %s: %w", peer, in.err)
	}
	return false, err
}

// source reads from a peer and remembers the peer's error, so that it can be told
// from the disk's.
type source struct {
	r     io.Reader
	timer *time.Timer
	ctx   context.Context
	err   error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.timer.Reset(stall)
	if err != nil && err != io.EOF {
		if cause := context.Cause(s.ctx); cause != nil {
			err = cause
		}
		s.err = err
	}
	return n, err
}
