package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a manifest. They hold for what peers send and for what this node
// makes alike.
const (
	// MaxManifest bounds an encoded manifest, in bytes.
	MaxManifest = 64 << 20
	// MaxFiles bounds the files of a release, and its deletions.
	MaxFiles = 200_000
	// MaxTotal bounds the sum of the sizes of a release's files, in bytes.
	MaxTotal = 64 << 30
	// MaxOrigin bounds the name of the node that a release came from, in bytes.
	MaxOrigin = 128
	// MaxNote bounds a note, in bytes.
	MaxNote = 1024
)

// Kind is what made a release.
type Kind string

// The kinds of releases.
const (
	Patch    Kind = "patch"    // somebody changed files
	Deploy   Kind = "deploy"   // OMFLOW deployed a flow
	Rollback Kind = "rollback" // an older release's content came back
)

// File is one regular file of a release.
type File struct {
	Path   string // see CheckPath
	Size   int64  // bytes
	SHA256 Hash   // of the content
	Exec   bool   // may be executed
}

// Deletion is a file that the parent had and this release has not.
type Deletion struct {
	Path   string
	SHA256 Hash // of what was deleted
}

// Manifest is one release: the whole state of the patch folders. It comes from New,
// Decode or DecodeDelta, which have found it valid and know its hash; it is not changed
// after that, and so may be used by many goroutines.
type Manifest struct {
	Number  uint64 // 1 for the first, each one more than its parent's
	Parent  Ref    // zero for the first
	Kind    Kind
	Origin  string    // the node that it came from
	Time    time.Time // when it was made there, UTC
	Note    string    // for people; may be empty
	Files   []File    // all files, sorted by the bytes of their paths
	Deleted []Deletion

	// changed are the files that the parent has not, or otherwise; nil: not known. See
	// Delta.
	changed []File

	// sum is the hash of the encoding of a manifest that New, Decode or DecodeDelta has
	// made, and so found valid; zero for any other.
	sum Hash
}

// Draft is what a new release is made from.
type Draft struct {
	Kind   Kind
	Origin string
	Time   time.Time
	Note   string
	Files  []File // in any order
}

// New makes the release that follows parent, nil for the first one. It finds
// the deletions, and fails on whatever Validate refuses.
func New(parent *Manifest, d Draft) (*Manifest, error) {
	m := &Manifest{
		Number: 1,
		Kind:   d.Kind,
		Origin: d.Origin,
		Time:   d.Time.UTC().Truncate(time.Millisecond),
		Note:   d.Note,
		Files:  slices.Clone(d.Files),
	}
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	if parent != nil {
		m.Number, m.Parent = parent.Number+1, parent.Ref()
		m.compareTo(parent)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("make release %d: %w", m.Number, err)
	}
	m.sum = m.Hash()
	return m, nil
}

// Revert makes the release that brings the content of old back on top of head.
// What came after old is deleted explicitly.
func Revert(head, old *Manifest, origin string, at time.Time, note string) (*Manifest, error) {
	return New(head, Draft{Kind: Rollback, Origin: origin, Time: at, Note: note, Files: old.Files})
}

// deletions lists what parent has and m has not.
func deletions(parent, m *Manifest) []Deletion {
	var out []Deletion
	for c := range between(parent, m) {
		if c.New == nil {
			out = append(out, Deletion{Path: c.Path, SHA256: c.Old.SHA256})
		}
	}
	return out
}

// File returns the file at path and whether there is one.
func (m *Manifest) File(path string) (File, bool) {
	i, ok := slices.BinarySearchFunc(m.Files, path, func(f File, p string) int { return strings.Compare(f.Path, p) })
	if !ok {
		return File{}, false
	}
	return m.Files[i], true
}

// Said reports whether this release held content h at path, or deleted it from
// there: a disk that has it is older than something that this node knows, and
// not changed by somebody.
func (m *Manifest) Said(path string, h Hash) bool {
	if f, ok := m.File(path); ok {
		return f.SHA256 == h
	}
	i, ok := slices.BinarySearchFunc(m.Deleted, path, func(d Deletion, p string) int { return strings.Compare(d.Path, p) })
	return ok && m.Deleted[i].SHA256 == h
}

// Validate tells why m can't be a release; nil when it can.
func (m *Manifest) Validate() error {
	switch {
	case m.Number == 0:
		return errors.New("no number")
	case m.Number-1 != m.Parent.Number:
		return fmt.Errorf("number %d does not follow parent %d", m.Number, m.Parent.Number)
	case m.Parent.Hash.IsZero() != (m.Parent.Number == 0):
		return errors.New("parent's number and hash don't agree on whether there is one")
	case m.Kind != Patch && m.Kind != Deploy && m.Kind != Rollback:
		return fmt.Errorf("kind %q is unknown", m.Kind)
	case m.Time.Year() < 1970 || m.Time.Year() > 9999 || m.Time.Location() != time.UTC:
		return fmt.Errorf("time %s is not a time in UTC", m.Time)
	case len(m.Files) > MaxFiles:
		return fmt.Errorf("%d files, more than %d", len(m.Files), MaxFiles)
	case len(m.Deleted) > MaxFiles:
		return fmt.Errorf("%d deletions, more than %d", len(m.Deleted), MaxFiles)
	}
	if err := CheckOrigin(m.Origin); err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	if err := checkNote(m.Note); err != nil {
		return err
	}
	if err := m.checkFiles(); err != nil {
		return err
	}
	return m.checkDeleted()
}

// CheckOrigin tells why no release may come from a node of this name; nil when
// it may. The name becomes a part of a folder's name, of what is kept aside.
func CheckOrigin(name string) error {
	if len(name) > MaxOrigin {
		return fmt.Errorf("node's name of %d bytes is longer than %d", len(name), MaxOrigin)
	}
	if err := CheckPath(name); err != nil {
		return fmt.Errorf("node's name: %w", err)
	}
	if strings.Contains(name, "/") {
		return fmt.Errorf("node's name %q has a slash", name)
	}
	return nil
}

func checkNote(s string) error {
	if len(s) > MaxNote {
		return fmt.Errorf("note of %d bytes is longer than %d", len(s), MaxNote)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("note %q is not one line of text", s)
	}
	return nil
}

func (m *Manifest) checkFiles() error {
	seen := newNames(len(m.Files))
	total := int64(0)
	for i, f := range m.Files {
		if err := CheckPath(f.Path); err != nil {
			return fmt.Errorf("file %d: %w", i, err)
		}
		if i > 0 && m.Files[i-1].Path > f.Path {
			return fmt.Errorf("file %d: path %q is not sorted", i, f.Path)
		}
		if with, ok := seen.add(f.Path); !ok {
			return fmt.Errorf("file %d: %w", i, collision(f.Path, with))
		}
		if f.SHA256.IsZero() {
			return fmt.Errorf("file %d: %q has no hash", i, f.Path)
		}
		if f.Size < 0 || f.Size > MaxTotal-total {
			return fmt.Errorf("file %d: %q of %d bytes: a release holds 0 to %d", i, f.Path, f.Size, int64(MaxTotal))
		}
		total += f.Size
	}
	return nil
}

func (m *Manifest) checkDeleted() error {
	for i, d := range m.Deleted {
		if err := CheckPath(d.Path); err != nil {
			return fmt.Errorf("deletion %d: %w", i, err)
		}
		if i > 0 && m.Deleted[i-1].Path >= d.Path {
			return fmt.Errorf("deletion %d: path %q is not sorted or is there twice", i, d.Path)
		}
		if d.SHA256.IsZero() {
			return fmt.Errorf("deletion %d: %q has no hash", i, d.Path)
		}
		if _, ok := m.File(d.Path); ok {
			return fmt.Errorf("deletion %d: %q is among the files", i, d.Path)
		}
	}
	if m.Parent.IsZero() && len(m.Deleted) > 0 {
		return errors.New("the first release deletes files")
	}
	return nil
}

// Follows tells why m is not the release that comes next after parent, nil for
// none; nil when it is. A manifest that hides a deletion, or deletes what was
// never there, is found here.
func (m *Manifest) Follows(parent *Manifest) error {
	if parent == nil {
		if !m.Parent.IsZero() {
			return fmt.Errorf("release %d: parent is %s, not none", m.Number, m.Parent)
		}
		return nil
	}
	if ref := parent.Ref(); m.Parent != ref {
		return fmt.Errorf("release %d: parent is %s, not %s", m.Number, m.Parent, ref)
	}
	if !slices.Equal(m.Deleted, deletions(parent, m)) {
		return fmt.Errorf("release %d: deletions are not what its parent %s had more", m.Number, m.Parent)
	}
	return nil
}
