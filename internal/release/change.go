package release

import (
	"fmt"
	"iter"
)

// Change is what one path is in two releases. Old is nil for an added file, New
// for a deleted one; if both are there, content or the executable bit differ.
type Change struct {
	Path     string
	Old, New *File
}

// Changes lists what differs from one release to another, sorted by path.
// Either may be nil and then holds no files. They need not follow each other.
func Changes(from, to *Manifest) []Change {
	var out []Change
	for c := range between(from, to) {
		out = append(out, c)
	}
	return out
}

func between(from, to *Manifest) iter.Seq[Change] {
	var a, b []File
	if from != nil {
		a = from.Files
	}
	if to != nil {
		b = to.Files
	}
	return func(yield func(Change) bool) {
		a, b := a, b
		for len(a) > 0 || len(b) > 0 {
			var c Change
			switch {
			case len(b) == 0 || len(a) > 0 && a[0].Path < b[0].Path:
				c = Change{Path: a[0].Path, Old: &a[0]}
				a = a[1:]
			case len(a) == 0 || b[0].Path < a[0].Path:
				c = Change{Path: b[0].Path, New: &b[0]}
				b = b[1:]
			default:
				c = Change{Path: b[0].Path, Old: &a[0], New: &b[0]}
				a, b = a[1:], b[1:]
				if *c.Old == *c.New {
					continue
				}
			}
			if !yield(c) {
				return
			}
		}
	}
}

// Summary counts changes, as a list of releases shows them.
type Summary struct {
	Added    int   `json:"added"`
	Modified int   `json:"modified"`
	Deleted  int   `json:"deleted"`
	Bytes    int64 `json:"bytes"` // of the added and modified files
}

// Summarize counts changes.
func Summarize(changes []Change) Summary {
	var s Summary
	for _, c := range changes {
		switch {
		case c.Old == nil:
			s.Added++
			s.Bytes += c.New.Size
		case c.New == nil:
			s.Deleted++
		default:
			s.Modified++
			s.Bytes += c.New.Size
		}
	}
	return s
}

// String returns the counts as in "+3 ~1 −2".
func (s Summary) String() string {
	return fmt.Sprintf("+%d ~%d \u2212%d", s.Added, s.Modified, s.Deleted)
}
