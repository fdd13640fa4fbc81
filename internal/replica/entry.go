package replica

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/omflow/booster/internal/release"
)

// Bounds of what peers may say. An entry that is beyond one of them is refused.
const (
	// MaxAuthors bounds the nodes in a version. A file that more nodes have
	// changed forgets those whose changes are oldest.
	MaxAuthors = 32
	// MaxJump bounds how far a counter may be above the highest one that is
	// known of the path, or above zero when none is. A file that changes ten
	// times each second needs 13 years to get there, so it is a broken or lying
	// peer; who takes such steps needs 2³¹ of them until no counter is left.
	MaxJump = 1 << 32
	// MaxAhead is how far a time may lie in the future.
	MaxAhead = 24 * time.Hour
)

// Change is the last change of one node that a version holds.
type Change struct {
	Node string `json:"node"`
	// Counter was the path's highest counter plus one when Node changed it; 0 is
	// for a file that was found without anything being known of it.
	Counter uint64 `json:"counter"`
}

// Version says which nodes' changes a file's content goes back to, sorted by
// node. It is never changed.
type Version []Change

// counter is what the node's part is in the version.
func (v Version) counter(node string) (uint64, bool) {
	i, ok := slices.BinarySearchFunc(v, node, func(c Change, n string) int { return cmp.Compare(c.Node, n) })
	if !ok {
		return 0, false
	}
	return v[i].Counter, true
}

// last is the newest change in the version: the one with the highest counter.
func (v Version) last() Change {
	var last Change
	for _, c := range v {
		if c.Counter > last.Counter || last.Node == "" {
			last = c
		}
	}
	return last
}

// next is the version that node makes of v.
func (v Version) next(node string) Version {
	out := make(Version, 0, len(v)+1)
	for _, c := range v {
		if c.Node != node {
			out = append(out, c)
		}
	}
	if len(out) >= MaxAuthors {
		oldest := 0
		for i, c := range out {
			if c.Counter < out[oldest].Counter {
				oldest = i
			}
		}
		out = slices.Delete(out, oldest, oldest+1)
	}
	out = append(out, Change{Node: node, Counter: v.last().Counter + 1})
	slices.SortFunc(out, func(a, b Change) int { return cmp.Compare(a.Node, b.Node) })
	return out
}

// found is the version of a file that node found without knowing anything of it.
// Any other version wins against it.
func found(node string) Version { return Version{{Node: node}} }

// isFound tells whether nobody is known to have changed the file.
func (v Version) isFound() bool { return len(v) > 0 && v.last().Counter == 0 }

// follows tells whether who made v had all of old before them. Nobody had a
// file that was only found.
func (v Version) follows(old Version) bool {
	if old.isFound() {
		return slices.Equal(v, old)
	}
	for _, c := range old {
		if n, _ := v.counter(c.Node); n < c.Counter {
			return false
		}
	}
	return true
}

// Entry is what a node knows of one path.
type Entry struct {
	// Path is below the folder, with slashes; see release.CheckPath.
	Path    string  `json:"path"`
	Version Version `json:"version"`
	// Made is when the version was made, by its maker's clock, in nanoseconds since
	// 1970; of a file that was only found, when it was changed.
	Made int64 `json:"made"`
	// Deleted tells that there is no file. What follows is then of the one that was
	// deleted.
	Deleted bool `json:"deleted,omitempty"`
	// Size is in bytes.
	Size   int64        `json:"size"`
	SHA256 release.Hash `json:"sha256"`
	Exec   bool         `json:"exec,omitempty"`
	// Time is the file's time of change, in nanoseconds since 1970.
	Time int64 `json:"time"`
}

// same tells whether both mean the same on the disk.
func (e *Entry) same(o *Entry) bool {
	if e.Deleted || o.Deleted {
		return e.Deleted && o.Deleted
	}
	return e.Size == o.Size && e.SHA256 == o.SHA256 && e.Exec == o.Exec
}

// beats tells which of two entries of one path all nodes take: the one with the
// higher counter, and of concurrent changes with equal ones a file before its
// deletion, then the one that was made later; node and content make sure that no two are
// equal.
func (e *Entry) beats(o *Entry) bool {
	a, b := e.Version.last(), o.Version.last()
	live := func(e *Entry) int {
		if e.Deleted {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(a.Counter, b.Counter),
		cmp.Compare(live(e), live(o)),
		cmp.Compare(e.Made, o.Made),
		cmp.Compare(a.Node, b.Node),
		e.SHA256.Compare(o.SHA256),
		cmp.Compare(flag(e.Exec), flag(o.Exec)),
		compareVersions(e.Version, o.Version),
	) > 0
}

func compareVersions(a, b Version) int {
	return slices.CompareFunc(a, b, func(x, y Change) int {
		return cmp.Or(cmp.Compare(x.Node, y.Node), cmp.Compare(x.Counter, y.Counter))
	})
}

// Validate tells why an entry can't be taken, whatever else is known.
func (e *Entry) Validate() error {
	if err := release.CheckPath(e.Path); err != nil {
		return err
	}
	if err := e.Version.validate(); err != nil {
		return fmt.Errorf("path %q: %w", e.Path, err)
	}
	switch {
	case e.Size < 0:
		return fmt.Errorf("path %q: a size of %d bytes", e.Path, e.Size)
	case e.SHA256.IsZero():
		return fmt.Errorf("path %q: no hash", e.Path)
	case e.Time < 0 || e.Made < 0:
		return fmt.Errorf("path %q: a time before 1970", e.Path)
	}
	return nil
}

func (v Version) validate() error {
	if len(v) == 0 || len(v) > MaxAuthors {
		return fmt.Errorf("a version of %d nodes, not 1 to %d", len(v), MaxAuthors)
	}
	for i, c := range v {
		if err := release.CheckOrigin(c.Node); err != nil {
			return fmt.Errorf("version: %w", err)
		}
		if i > 0 && v[i-1].Node >= c.Node {
			return errors.New("a version that is not sorted by node")
		}
	}
	return nil
}

// bucketOf is the part of the digest in which a path is counted.
func bucketOf(path string) int {
	h := sha256.Sum256([]byte(path))
	return int(h[0])
}

// sum is the entry's part in its bucket of the digest. All nodes must compute the
// same.
func (e *Entry) sum() uint64 {
	b := make([]byte, 0, len(e.Path)+len(e.SHA256)+64)
	b = append(append(b, e.Path...), 0)
	for _, c := range e.Version {
		b = binary.BigEndian.AppendUint64(append(append(b, c.Node...), 0), c.Counter)
	}
	b = append(b, 0, flag(e.Deleted), flag(e.Exec))
	b = append(b, e.SHA256[:]...)
	h := sha256.Sum256(b)
	return binary.BigEndian.Uint64(h[:])
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}
