package replica

// note adds what is known of path to what save writes. Callers hold mu.
func (r *Replica) note(path string) {
	if r.logErr != nil {
		return // all of it will be written
	}
	rec := r.index.get(path)
	ln := line{Entry: rec.entry, Local: rec.local}
	switch {
	case rec.entry == nil && rec.local == nil:
		ln = line{Drop: path}
	case rec.entry == rec.local:
		ln.Local, ln.Same = nil, true
	}
	r.fail(r.journal.add(ln))
}

// noteEntry is note without what the disk holds, of which only commit knows when
// it may be told. Callers hold mu.
func (r *Replica) noteEntry(e *Entry) {
	if r.logErr == nil {
		r.fail(r.journal.add(line{Entry: e}))
	}
}

// save writes what was noted. Callers hold mu.
func (r *Replica) save() {
	if r.logErr == nil {
		r.fail(r.journal.flush())
	}
}

// fail notes that the index on the disk is no longer what it should be. It is
// written anew until that succeeds; a crash before only costs that what changed
// meanwhile is found out again. Callers hold mu.
func (r *Replica) fail(err error) {
	if err == nil || r.logErr != nil {
		return
	}
	r.logErr = err
	r.journal.buf.Reset()
	r.log.Error("the index can't be written", "error", err)
}

// rewrite writes the index anew when that is of use, or asked for. Callers hold mu.
func (r *Replica) rewrite(asked bool) {
	records := 0
	for i := range r.index.buckets {
		records += len(r.index.buckets[i].records)
	}
	if r.logErr == nil && !asked && !r.journal.wasteful(records) {
		return
	}
	if err := r.journal.rewrite(r.index); err != nil {
		r.fail(err)
		return
	}
	if r.logErr != nil && r.ready {
		r.log.Info("the index is written again")
	}
	r.logErr = nil
}

// chores forgets old deletions and looks after the log.
func (r *Replica) chores() {
	r.countKept()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, path := range r.index.purge(r.cfg.now()) {
		r.note(path)
	}
	r.save()
	r.rewrite(false)
}
