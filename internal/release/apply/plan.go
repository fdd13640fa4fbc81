package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"github.com/omflow/booster/internal/release"
)

// planFormat is the version of plan.json.
const planFormat = 1

// plan is what leads from one release to another on this tree. Once it is
// written it is finished or undone, whatever happens; every step can be done
// again after it was done.
type plan struct {
	Format int         `json:"format"`
	From   release.Ref `json:"from"` // zero: from a tree that had no release
	To     release.Ref `json:"to"`
	Time   time.Time   `json:"time"`
	Steps  []step      `json:"steps"` // sorted by path

	// Made are the folders that must be made, outer ones first.
	Made []string `json:"made,omitempty"`
	// Emptied are the folders that deletions may leave empty, or that are empty where a
	// file comes, outer ones first.
	Emptied []dir `json:"emptied,omitempty"`
}

// step is what happens to one path. Without New the file is deleted, without
// Old there is none yet.
type step struct {
	Path string   `json:"path"`
	New  *newFile `json:"new,omitempty"`
	Old  *oldFile `json:"old,omitempty"`

	// like has the owner that the new file takes: the old file, or the innermost
	// folder above it that is there. It is not in plan.json, since the files
	// are staged by then.
	like fs.FileInfo
}

type newFile struct {
	Size   int64        `json:"size"`
	SHA256 release.Hash `json:"sha256"`
	Exec   bool         `json:"exec,omitempty"`
}

type oldFile struct {
	Size     int64        `json:"size"`
	SHA256   release.Hash `json:"sha256"`
	Mode     fs.FileMode  `json:"mode"`
	Modified time.Time    `json:"modified"`
	// Local: somebody changed it on this server alone.
	Local bool `json:"local,omitempty"`
}

type dir struct {
	Path string      `json:"path"`
	Mode fs.FileMode `json:"mode"`
}

// staged is where the new file of step i waits, and kept where the old one does.
func staged(i int) string { return newDir + "/" + strconv.Itoa(i) }
func kept(i int) string   { return oldDir + "/" + strconv.Itoa(i) }

func (p *plan) validate() error {
	if p.Format != planFormat {
		return fmt.Errorf("format %d is unknown", p.Format)
	}
	for _, s := range p.Steps {
		if err := release.CheckPath(s.Path); err != nil {
			return err
		}
		if s.New == nil && s.Old == nil {
			return fmt.Errorf("nothing to do for %q", s.Path)
		}
	}
	for _, d := range p.Made {
		if err := release.CheckPath(d); err != nil {
			return err
		}
	}
	for _, d := range p.Emptied {
		if err := release.CheckPath(d.Path); err != nil {
			return err
		}
	}
	return nil
}

// sameFiles reports whether what was staged for p serves q too.
func (p *plan) sameFiles(q *plan) bool {
	return p != nil && p.To == q.To && slices.EqualFunc(p.Steps, q.Steps, func(s, t step) bool {
		if s.Path != t.Path || (s.New == nil) != (t.New == nil) || (s.Old == nil) != (t.Old == nil) {
			return false
		}
		// The new file has taken its mode from the old one.
		return s.New == nil || *s.New == *t.New && (s.Old == nil || s.Old.Mode == t.Old.Mode)
	})
}

func (p *plan) result() Result {
	r := Result{From: p.From, To: p.To}
	for _, s := range p.Steps {
		switch {
		case s.New == nil:
			r.Changes.Deleted++
			continue
		case s.Old == nil:
			r.Changes.Added++
		default:
			r.Changes.Modified++
		}
		r.Changes.Bytes += s.New.Size
	}
	return r
}

// plan looks at the tree and finds what leads to the target.
func (a *Applier) plan(ctx context.Context, req Request) (*plan, error) {
	target := req.Target
	if target == nil {
		return nil, errors.New("no release to apply")
	}
	if err := target.Validate(); err != nil {
		return nil, err
	}
	applied := a.applied.Load()
	if applied != nil && target.Number < applied.Number {
		return nil, fmt.Errorf("the tree holds release %d already: rolling back takes a new release", applied.Number)
	}
	if err := a.checkAllowed(target); err != nil {
		return nil, err
	}
	l := &look{
		a: a, req: req, applied: applied,
		folders: make(map[string]fs.FileInfo),
		deleted: make(map[string]bool),
	}
	steps, err := l.steps(ctx)
	if err != nil {
		return nil, err
	}
	p := &plan{Format: planFormat, From: refOf(applied), To: target.Ref(), Time: time.Now().UTC(), Steps: steps}
	p.Made, p.Emptied = l.around(steps)
	if err := p.validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// checkAllowed refuses a release that wants to write what it must not.
func (a *Applier) checkAllowed(target *release.Manifest) error {
	for _, f := range target.Files {
		if !a.allowed(f.Path) {
			return fmt.Errorf("path %q may not be in a release", f.Path)
		}
	}
	return nil
}

func (a *Applier) allowed(path string) bool { return a.cfg.Allowed == nil || a.cfg.Allowed(path) }

// around lists the folders that steps make, and those that they may leave empty.
func (l *look) around(steps []step) (made []string, emptied []dir) {
	seenMade, seenEmptied := make(map[string]bool), make(map[string]bool)
	stays := make(map[string]bool) // something new comes into it
	for _, s := range steps {
		if s.New == nil {
			continue
		}
		for _, d := range parents(s.Path) {
			stays[d] = true
			if l.folders[d] == nil && !seenMade[d] {
				seenMade[d] = true
				made = append(made, d)
			}
		}
	}
	for _, s := range steps {
		if s.New != nil {
			continue
		}
		for _, d := range parents(s.Path) {
			if info := l.folders[d]; info != nil && !stays[d] && !seenEmptied[d] {
				seenEmptied[d] = true
				emptied = append(emptied, dir{Path: d, Mode: info.Mode().Perm()})
			}
		}
	}
	for _, d := range l.inWay {
		if !seenEmptied[d.Path] {
			emptied = append(emptied, d)
		}
	}
	return made, emptied
}

// parents lists the folders above path, the outermost first.
func parents(path string) []string {
	var out []string
	for i := range len(path) {
		if path[i] == '/' {
			out = append(out, path[:i])
		}
	}
	return out
}
