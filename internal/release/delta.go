package release

import (
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrNoParent: a delta can't be made whole, since the release that it follows is not known
// here. The whole manifest can be asked for.
var ErrNoParent = errors.New("the release before it is not known here")

// HasDelta reports whether Delta returns something.
func (m *Manifest) HasDelta() bool { return m.changed != nil && 2*len(m.changed) <= len(m.Files) }

// Delta returns m as it travels to nodes that have its parent: the hash of its encoding,
// and the encoding of m without the files that the parent has too. For one changed file
// of 4,500 that is 500 bytes instead of 600,000. It returns nil when m came whole, so that
// it is not known what it has changed, and when that would not be much shorter.
func (m *Manifest) Delta() []byte {
	if !m.HasDelta() {
		return nil
	}
	hash := m.Hash()
	part := *m
	part.Files = m.changed
	return part.append(hash[:])
}

// DecodeDelta makes a whole manifest of what Delta has returned. parent finds the release
// of that name, nil if it is not known; what it finds is checked by the hash of the whole.
// Everything that [Decode] refuses is refused, in the part and in the whole. The error
// matches ErrNoParent when only the parent is missing.
func DecodeDelta(b []byte, parent func(Ref) *Manifest) (*Manifest, error) {
	var want Hash
	if len(b) < len(want) {
		return nil, errors.New("decode delta: it is cut off")
	}
	copy(want[:], b)
	part, err := Decode(b[len(want):])
	if err != nil {
		return nil, fmt.Errorf("decode delta: %w", err)
	}
	if part.Parent.IsZero() {
		return nil, errors.New("decode delta: the first release follows none")
	}
	on := parent(part.Parent)
	if on == nil {
		return nil, fmt.Errorf("decode delta: release %s: %w", part.Parent, ErrNoParent)
	}
	m := *part
	m.Files, m.changed, m.sum = part.on(on), part.Files, Hash{}
	if m.changed == nil {
		m.changed = []File{}
	}
	whole, err := m.Encode()
	if err != nil {
		return nil, fmt.Errorf("decode delta: %w", err)
	}
	if sha256.Sum256(whole) != want {
		return nil, fmt.Errorf("decode delta: release %d is not what its hash says", m.Number)
	}
	m.sum = want
	return &m, nil
}

// on are the files of the release of which m is a part: those of its parent that it has
// not deleted, and its own. All are sorted.
func (m *Manifest) on(parent *Manifest) []File {
	deleted := make(map[string]bool, len(m.Deleted))
	for _, d := range m.Deleted {
		deleted[d.Path] = true
	}
	out := make([]File, 0, len(parent.Files)+len(m.Files))
	own := m.Files
	for _, f := range parent.Files {
		for len(own) > 0 && own[0].Path < f.Path {
			out, own = append(out, own[0]), own[1:]
		}
		switch {
		case len(own) > 0 && own[0].Path == f.Path:
			out, own = append(out, own[0]), own[1:]
		case !deleted[f.Path]:
			out = append(out, f)
		}
	}
	return append(out, own...)
}

// compareTo finds what m, which is being made, has changed since its parent.
func (m *Manifest) compareTo(parent *Manifest) {
	m.changed = []File{}
	for c := range between(parent, m) {
		if c.New == nil {
			m.Deleted = append(m.Deleted, Deletion{Path: c.Path, SHA256: c.Old.SHA256})
		} else {
			m.changed = append(m.changed, *c.New)
		}
	}
}
