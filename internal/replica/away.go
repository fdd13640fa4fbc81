package replica

import (
	"context"
	"fmt"
	"time"
)

// metEvery is how often it is written down that another node was agreed with.
const metEvery = time.Minute

// metSlack is how long after that what was made is in doubt too: it was written
// down that late, and what was made then was probably told.
const metSlack = 2 * metEvery

// Digest is what this node knows in short. The error matches ErrNotReady before the
// folder was looked at.
//
// It finds out first whether this node was away for longer than deletions are
// remembered: then what it knows from before may have been deleted meanwhile, and nobody
// is told of it.
func (r *Replica) Digest() (Digest, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ready {
		return Digest{}, ErrNotReady
	}
	met := r.journal.met
	// Somewhat earlier, for others' clocks may be ahead.
	if !met.IsZero() && !r.away && r.cfg.now().Sub(met) > r.cfg.TombstoneLife/30*29 {
		r.away = true
		clear(r.asked)
		r.index.doubt(met.Add(metSlack))
		r.log.Warn("this node was away for longer than deletions are remembered; files that the others don't have are kept aside",
			"since", met, "files", r.index.uncertain)
	}
	return Digest{Buckets: r.index.sums(), Since: r.journal.since, Away: r.away}, nil
}

// met ends a comparison: both nodes know the same now. What this node was unsure of,
// and a peer that was there all the time does not have, has been deleted. If none of
// those that are alive was there, nobody can know, and it is kept.
func (r *Replica) met(ctx context.Context, peer string, theirs Digest) error {
	r.mu.Lock()
	if !r.away {
		defer r.mu.Unlock()
		if now := r.cfg.now().UTC(); now.Sub(r.journal.met) >= metEvery {
			r.journal.met = now
			if r.logErr == nil {
				r.fail(r.journal.add(line{Met: &now}))
			}
			r.save()
		}
		return nil
	}
	if theirs.Away || theirs.Since.After(r.journal.met) {
		defer r.mu.Unlock()
		r.askedNow(peer)
		return nil
	}
	doubted := r.index.doubted()
	r.mu.Unlock()
	for _, path := range doubted {
		if ctx.Err() != nil {
			return context.Cause(ctx) // the others' turn comes with the next comparison
		}
		if err := r.retire(path); err != nil {
			return fmt.Errorf("keep %q aside, which the others don't have any more: %w", path, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.back()
	return nil
}

// askedNow notes a peer that knows no more of what is unsure. When none does, it is kept.
// Callers hold mu.
func (r *Replica) askedNow(peer string) {
	r.asked[peer] = true
	for other := range r.links {
		if !r.asked[other] {
			return
		}
	}
	r.log.Info("nobody was there all the time; what this node has from before is kept", "files", r.index.uncertain)
	r.index.trust()
	r.back()
}

// back ends having been away. Callers hold mu.
func (r *Replica) back() {
	r.away = false
	r.journal.met = r.cfg.now().UTC()
	r.rewrite(true)
	for _, l := range r.links {
		l.compare = true
		wake(l.wake)
	}
}

// retire keeps a file aside that the others have deleted while this node was away,
// and forgets it.
func (r *Replica) retire(path string) error {
	r.disk.Lock()
	defer r.disk.Unlock()
	r.mu.Lock()
	rec := r.index.get(path)
	r.mu.Unlock()
	if !rec.unsure {
		return nil
	}
	t, err := r.openFolder()
	if err != nil {
		return err
	}
	defer t.Close()
	if err := r.sound(); err != nil {
		return err
	}
	// What a link leads to is not this file.
	if rec.present() && t.straight(path) == nil {
		info, err := t.Lstat("look at the file", path)
		if err != nil && !isGone(err) {
			return err
		}
		if err == nil && info.Mode().IsRegular() {
			k, err := r.keep(t, rec.local, rec.entry)
			if err != nil {
				return err
			}
			r.log.Warn("a file that the others have deleted meanwhile is kept aside", "path", path, "kept", k.File)
			if err := t.Remove("remove the file", path); err != nil {
				return err
			}
			t.prune(path)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.index.set(path, record{})
	r.note(path)
	r.outdated = append(r.outdated, path)
	wake(r.rebase)
	return nil
}
