package replica

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/omflow/booster/internal/release"
)

// record is what is known of one path. The entries in it are never changed, only
// replaced.
type record struct {
	// entry is what all nodes should have; nil: nobody has told.
	entry *Entry
	// local is what this node's disk holds, or the deletion that was carried out
	// here. It is entry itself when all is done; nil: there was nothing here.
	local *Entry
	// stamp is of the file as this process wrote it; nil: it did not.
	stamp *stamp
	// unsure: the entry is from before this node was away for long, and may have
	// been deleted meanwhile. Peers are not told of it.
	unsure bool
}

// present tells whether the disk holds the file.
func (r record) present() bool { return r.local != nil && !r.local.Deleted }

// done tells whether the disk is as it should be.
func (r record) done() bool {
	return r.entry == nil || r.local != nil && r.local.same(r.entry) || r.local == nil && r.entry.Deleted
}

// index is what a node knows: pure, without disk and clock. It is for one
// goroutine at a time.
type index struct {
	node      string
	limits    limits
	buckets   [Buckets]bucket
	folded    map[string]string // release.FoldKey of each file's path, to the path
	files     int               // that should be there
	bytes     int64
	tombs     int
	missing   int // that should be there, and are not yet
	uncertain int
}

type bucket struct {
	records map[string]*record
	sum     uint64 // of the entries that peers are told of
}

// limits bound what peers can make of an index.
type limits struct {
	files, tombstones int
	fileSize          int64
	tombstoneLife     time.Duration
	allowed           func(path string) bool
}

func newIndex(node string, l limits) *index {
	x := &index{node: node, limits: l, folded: make(map[string]string)}
	for i := range x.buckets {
		x.buckets[i].records = make(map[string]*record)
	}
	return x
}

// get returns the record of path; the empty one if nothing is known.
func (x *index) get(path string) record {
	if r := x.buckets[bucketOf(path)].records[path]; r != nil {
		return *r
	}
	return record{}
}

// set replaces the record of path and keeps all sums right. What is here, if that is
// what all should have, goes back to all that this goes back to: the next change here
// follows it, and so does a file that is made where only its deletion was heard of.
func (x *index) set(path string, r record) {
	if r.entry != nil && (r.local == nil && r.entry.Deleted || r.local != nil && r.local.same(r.entry)) {
		r.local = r.entry
	}
	b := &x.buckets[bucketOf(path)]
	if old := b.records[path]; old != nil {
		x.count(b, path, old, -1)
	}
	if r.entry == nil && r.local == nil {
		delete(b.records, path)
		return
	}
	b.records[path] = &r
	x.count(b, path, &r, +1)
}

func (x *index) count(b *bucket, path string, r *record, by int) {
	if r.unsure {
		x.uncertain += by
	}
	if r.entry == nil {
		return
	}
	if !r.unsure {
		b.sum ^= r.entry.sum()
	}
	if r.entry.Deleted {
		x.tombs += by
		return
	}
	x.files += by
	x.bytes += int64(by) * r.entry.Size
	if !r.done() && x.limits.allowed(path) {
		x.missing += by
	}
	if key := release.FoldKey(path); by > 0 {
		x.folded[key] = path
	} else if x.folded[key] == path {
		delete(x.folded, key)
	}
}

// all goes through the records. The loop's body may set the one it is at.
func (x *index) all() iter.Seq2[string, record] {
	return func(yield func(string, record) bool) {
		for i := range x.buckets {
			for path, r := range x.buckets[i].records {
				if !yield(path, *r) {
					return
				}
			}
		}
	}
}

// change takes in what the disk holds at a path now, or that it holds nothing
// (Deleted); only Version is not given. unversioned is for what is found by a node
// that has lost its index. It tells whether peers should be told.
func (x *index) change(disk Entry, unversioned bool) (announce bool) {
	r := x.get(disk.Path)
	switch {
	case r.local == nil && disk.Deleted, r.local != nil && r.local.same(&disk):
		return false
	case r.entry != nil && r.entry.same(&disk):
		x.set(disk.Path, record{entry: r.entry, local: r.entry})
		return false
	case disk.Deleted:
		disk.Size, disk.SHA256, disk.Exec, disk.Time = r.local.Size, r.local.SHA256, r.local.Exec, r.local.Time
	}
	switch {
	case unversioned:
		// When it was found says only in which order the nodes were started.
		disk.Version, disk.Made = found(x.node), disk.Time
	case r.local != nil:
		disk.Version = r.local.Version.next(x.node)
	default:
		disk.Version = Version(nil).next(x.node)
	}
	r = record{entry: r.entry, local: &disk}
	if r.entry == nil || disk.beats(r.entry) {
		r.entry, announce = r.local, true
	}
	x.set(disk.Path, r)
	return announce
}

// verdict is what came of a peer's entry.
type verdict int

const (
	ignored   verdict = iota // it says nothing new
	olderHere                // what is known here beats it
	taken                    // it is what all should have
)

// take takes in a peer's entry. An error says why it is refused.
func (x *index) take(e *Entry, now time.Time) (verdict, error) {
	if err := e.Validate(); err != nil {
		return ignored, err
	}
	r := x.get(e.Path)
	if err := x.refuse(&r, e, now); err != nil {
		return ignored, fmt.Errorf("path %q: %w", e.Path, err)
	}
	if r.unsure {
		r.unsure = false
		x.set(e.Path, r)
	}
	switch {
	case r.entry == nil && e.Deleted && x.expired(e, now):
		return ignored, nil
	case r.entry != nil && r.entry.beats(e):
		return olderHere, nil
	case r.entry != nil && !e.beats(r.entry):
		return ignored, nil
	}
	own := *e // e may be one of a page, all of which it would keep in memory
	r.entry = &own
	x.set(e.Path, r)
	return taken, nil
}

// refuse tells why a valid entry can't be taken; r is what is known.
func (x *index) refuse(r *record, e *Entry, now time.Time) error {
	var known uint64
	if r.entry != nil {
		known = r.entry.Version.last().Counter
	}
	switch n := e.Version.last().Counter; {
	case n > known && n-known > MaxJump:
		return fmt.Errorf("counter %d is too far above %d", n, known)
	case e.Made > now.Add(MaxAhead).UnixNano():
		return fmt.Errorf("it was made at %s, which is to come", time.Unix(0, e.Made).UTC().Format(time.RFC3339))
	case e.Size > x.limits.fileSize:
		return fmt.Errorf("%d bytes: at most %d", e.Size, x.limits.fileSize)
	}
	if e.Deleted {
		if r.entry == nil && x.tombs >= 2*x.limits.tombstones {
			return fmt.Errorf("there are %d deletions already", x.tombs)
		}
		return nil
	}
	if r.entry == nil || r.entry.Deleted {
		if x.files >= x.limits.files {
			return fmt.Errorf("there are %d files already", x.files)
		}
		if other, ok := x.folded[release.FoldKey(e.Path)]; ok {
			return fmt.Errorf("it is %q where case is ignored", other)
		}
	}
	return nil
}

func (x *index) expired(e *Entry, now time.Time) bool {
	return now.Sub(time.Unix(0, e.Made)) > x.limits.tombstoneLife
}

// purge forgets deletions that are too old, or too many, and returns their paths.
// One that has yet to be carried out here stays.
func (x *index) purge(now time.Time) []string {
	var old []*Entry
	var gone []string
	for path, r := range x.all() {
		switch {
		case r.entry == nil || !r.entry.Deleted || !r.done():
		case x.expired(r.entry, now):
			gone = append(gone, path)
		default:
			old = append(old, r.entry)
		}
	}
	if more := len(old) - x.limits.tombstones; more > 0 {
		slices.SortFunc(old, func(a, b *Entry) int { return cmp.Or(cmp.Compare(a.Made, b.Made), cmp.Compare(a.Path, b.Path)) })
		for _, e := range old[:more] {
			gone = append(gone, e.Path)
		}
	}
	for _, path := range gone {
		x.set(path, record{})
	}
	return gone
}

// doubt makes all that was made before the given time unsure.
func (x *index) doubt(before time.Time) {
	for path, r := range x.all() {
		if r.entry != nil && !r.entry.Deleted && r.entry.Made < before.UnixNano() {
			r.unsure = true
			x.set(path, r)
		}
	}
}

// doubted lists what is unsure.
func (x *index) doubted() []string {
	if x.uncertain == 0 {
		return nil
	}
	var out []string
	for path, r := range x.all() {
		if r.unsure {
			out = append(out, path)
		}
	}
	return out
}

// trust ends all doubt.
func (x *index) trust() {
	for _, path := range x.doubted() {
		r := x.get(path)
		r.unsure = false
		x.set(path, r)
	}
}

// sums are the buckets of the digest.
func (x *index) sums() (s [Buckets]uint64) {
	for i := range x.buckets {
		s[i] = x.buckets[i].sum
	}
	return s
}

// page returns a part of what peers are told.
func (x *index) page(p Page) Entries {
	b := &x.buckets[p.Bucket]
	paths := slices.Sorted(maps.Keys(b.records))
	i, found := slices.BinarySearch(paths, p.After)
	if found {
		i++
	}
	var out Entries
	for _, path := range paths[i:] {
		r := b.records[path]
		if r.entry == nil || r.unsure {
			continue
		}
		if len(out.Entries) == MaxBatch {
			out.More = true
			break
		}
		out.Entries = append(out.Entries, *r.entry)
	}
	return out
}
