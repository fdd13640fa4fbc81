package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Status is a snapshot of a Replica.
type Status struct {
	// Files and Bytes count what all nodes should have.
	Files int
	Bytes int64
	// Missing is how many of the files are known, but not here yet in their newest
	// version.
	Missing int
	// Conflicts is how many versions that lost are kept aside, at most 1,000.
	Conflicts int
	// Refused is how many entries of peers were refused since the start; the log
	// names them.
	Refused int
	// Degraded says what is not copied, or later than it could be; else empty.
	Degraded string
	// Suspicious says why the folder is neither read nor written until the files
	// are back or somebody decides, see ConfirmRemoval and Restore; else empty.
	Suspicious string
	// Finding names what Suspicious tells, for ConfirmRemoval; else empty.
	Finding string
}

// Status tells how the Replica is.
func (r *Replica) Status() Status {
	w := r.watcher.Status()
	failing, path, err := r.queue.failing()
	r.mu.Lock()
	defer r.mu.Unlock()
	var parts []string
	add := func(is bool, format string, args ...any) {
		if is {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(!r.ready, "the folder has not been looked at yet")
	add(failing > 0, "%d files can't be brought up to date, %q among them: %v", failing, path, err)
	add(r.index.uncertain > 0, "%d files are not shared until a peer tells whether they were deleted", r.index.uncertain)
	add(r.ready && r.logErr != nil, "the index can't be written: %v", r.logErr)
	if n := len(r.refused); n > 0 {
		paths := make([]string, 0, n)
		for path, why := range r.refused {
			paths = append(paths, fmt.Sprintf("%q (%s)", path, why))
		}
		add(true, "%d names can't be on all nodes, such as %s", n, slices.Min(paths))
	}
	add(w.RefusedCount > 0, "%d names are not looked at, such as %s", w.RefusedCount, strings.Join(w.Refused[:min(1, len(w.Refused))], ""))
	add(w.Degraded != "", "%s", w.Degraded)
	return Status{
		Files: r.index.files, Bytes: r.index.bytes, Missing: r.index.missing, Conflicts: r.conflicts, Refused: r.refusals,
		Degraded: strings.Join(parts, "; "), Suspicious: w.Suspicious, Finding: w.Finding,
	}
}

// Sync takes in what changed in the folder, compares with all peers that are alive,
// and waits until what they have is here. Files that are being written, and files that can't be fetched, are not
// waited for: see Status.Missing.
func (r *Replica) Sync(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case r.calls <- func(all context.Context) {
		err := r.scan(ctx)
		r.look(all)
		done <- err
	}:
	case <-ctx.Done():
		return fmt.Errorf("sync %s: %w", r.cfg.Root, context.Cause(ctx))
	case <-r.ended:
		return fmt.Errorf("sync %s: the replica is closed", r.cfg.Root)
	}
	if err := <-done; err != nil {
		return fmt.Errorf("sync %s: %w", r.cfg.Root, err)
	}
	r.mu.Lock()
	ends := make(map[string]chan error, len(r.links))
	for peer, l := range r.links {
		ends[peer] = make(chan error, 1)
		l.compare, l.waiting = true, append(l.waiting, ends[peer])
		wake(l.wake)
	}
	r.mu.Unlock()
	var errs []error
	for peer, end := range ends {
		select {
		case err := <-end:
			if err != nil {
				errs = append(errs, fmt.Errorf("with %s: %w", peer, err))
			}
		case <-ctx.Done():
			return fmt.Errorf("sync %s with %s: %w", r.cfg.Root, peer, context.Cause(ctx))
		case <-r.ended:
			return fmt.Errorf("sync %s with %s: the replica is closed", r.cfg.Root, peer)
		}
	}
	errs = append(errs, r.queue.rest(ctx))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sync %s: %w", r.cfg.Root, err)
	}
	return nil
}

// ConfirmRemoval says that what Status.Suspicious tells is meant: what is gone from
// the folder is deleted on all nodes. It fails when that is not what Status.Finding, which
// somebody has looked at, was about.
func (r *Replica) ConfirmRemoval(finding string) error { return r.watcher.ConfirmRemoval(finding) }

// Restore says that what is gone from the folder is lost: it is fetched from the
// peers again, and Status.Suspicious ends. It fails when there is no folder.
func (r *Replica) Restore() error {
	done := make(chan error, 1)
	select {
	case r.calls <- func(context.Context) { done <- r.restore() }:
	case <-r.ended:
		return fmt.Errorf("restore %s: the replica is closed", r.cfg.Root)
	}
	if err := <-done; err != nil {
		return fmt.Errorf("restore %s: %w", r.cfg.Root, err)
	}
	return nil
}
