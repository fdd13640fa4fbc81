package release

import (
	"fmt"
	"slices"
	"strings"
)

// Conflict is a path that two servers changed from the same release. The one
// whose release was numbered first won; the other's version is what the owner
// keeps under conflicts/.
type Conflict struct {
	Path string
	// Ours is the version that lost, nil when it was a deletion, and then there
	// is nothing to keep.
	Ours *File
	// Theirs is the version that won, nil when it was a deletion.
	Theirs *File
	// With is the path in the winning release that Path can't be beside, if
	// that is what made the conflict: the same name in another case, or a file
	// where Path needs a folder.
	With string
}

// Rebased is what became of a release whose parent is no longer the head.
type Rebased struct {
	// Manifest follows the head and holds both sides' changes. Nil when nothing
	// of ours is left to publish.
	Manifest *Manifest
	// Conflicts are sorted by path.
	Conflicts []Conflict
}

// Rebase moves ours, a release on base (nil for none) that was not accepted, on
// top of theirs, the head, which came from base too, directly or not.
//
// Files that only one side changed are taken from it. Where both made the same
// change there is nothing to do. Where they made different ones, theirs stays
// as it is: it was first, and other servers have it. That holds for deletions
// too: what theirs deleted stays deleted, also if ours modified it (its content
// is in Conflict.Ours), and what theirs modified stays, also if ours deleted
// it. So nothing that anybody wrote is lost, and nothing deleted comes back.
func Rebase(base, ours, theirs *Manifest) (Rebased, error) {
	merged := make(map[string]File, len(theirs.Files))
	for _, f := range theirs.Files {
		merged[f.Path] = f
	}
	var r Rebased
	var adds []Change
	changed := false
	for c := range between(base, ours) {
		now, there := theirs.File(c.Path)
		switch {
		case same(c.New, now, there):
		case !same(c.Old, now, there):
			conflict := Conflict{Path: c.Path, Ours: c.New}
			if there {
				conflict.Theirs = &now
			}
			r.Conflicts = append(r.Conflicts, conflict)
		case c.New == nil:
			delete(merged, c.Path)
			changed = true
		case there:
			merged[c.Path] = *c.New
			changed = true
		default:
			adds = append(adds, c)
		}
	}
	// An added file may stand in the way of what theirs holds, so it is put
	// beside what is sure to stay.
	seen := newNames(len(merged) + len(adds))
	for _, f := range theirs.Files {
		if _, stays := merged[f.Path]; stays {
			if with, ok := seen.add(f.Path); !ok {
				return Rebased{}, fmt.Errorf("rebase release %d onto %d: %w", ours.Number, theirs.Number, collision(f.Path, with))
			}
		}
	}
	for _, c := range adds {
		if with, ok := seen.add(c.Path); !ok {
			r.Conflicts = append(r.Conflicts, Conflict{Path: c.Path, Ours: c.New, With: with})
			continue
		}
		merged[c.Path] = *c.New
		changed = true
	}
	sortConflicts(r.Conflicts)
	if !changed {
		return r, nil
	}
	files := make([]File, 0, len(merged))
	for _, f := range merged {
		files = append(files, f)
	}
	var err error
	r.Manifest, err = New(theirs, Draft{Kind: ours.Kind, Origin: ours.Origin, Time: ours.Time, Note: ours.Note, Files: files})
	if err != nil {
		return Rebased{}, fmt.Errorf("rebase release %d onto %d: %w", ours.Number, theirs.Number, err)
	}
	return r, nil
}

// same reports whether a side of a change is what a release holds.
func same(side *File, f File, there bool) bool {
	if side == nil || !there {
		return side == nil && !there
	}
	return *side == f
}

func sortConflicts(c []Conflict) {
	slices.SortFunc(c, func(a, b Conflict) int { return strings.Compare(a.Path, b.Path) })
}
