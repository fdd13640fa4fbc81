package sequence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/omflow/booster/internal/durable"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
)

// Marks of the cluster.
const (
	// approvedKey's mark is the newest approved release.
	approvedKey = "release/approved"
	// quarantineKey and a number is the mark of a release in quarantine.
	quarantineKey = "release/quarantine/"
)

// maxValue is how long a mark may be, in bytes.
const maxValue = 512

// approvals are the newest approved releases, newest first, at most two. An approval is
// written before the release that it is for, so that a crash between them leaves no
// release that waits though nobody wanted it to; until that is there the other counts.
type approvals struct {
	path string
	refs []release.Ref
}

// load reads the approvals. A file that can't be read is kept aside, or where it is if that
// can't be done, as in a folder that can't be written to; then what the cluster's marks and
// the other booster say counts, and without these all releases wait for a person: none is
// rolled out that nobody is known to have approved.
func (a *approvals) load(dir string, log *slog.Logger) {
	a.path = filepath.Join(dir, "approved.json")
	b, err := os.ReadFile(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var refs []release.Ref
	if err == nil {
		err = json.Unmarshal(b, &refs)
	}
	if err == nil {
		a.refs = refs
		return
	}
	kept, kerr := durable.KeepDamaged(a.path)
	if kerr == nil {
		kerr = os.Remove(a.path)
	}
	if kerr != nil {
		kept, err = a.path, errors.Join(err, kerr)
	}
	log.Error("which releases are approved can't be read; what the other nodes know counts, and the releases wait when they know nothing: `booster omflow releases approve`",
		"error", err, "kept", kept)
}

// add writes an approval; before is the newest one whose release is there.
func (a *approvals) add(ref, before release.Ref) error {
	refs := []release.Ref{ref}
	if !before.IsZero() && before != ref {
		refs = append(refs, before)
	}
	if slices.Equal(refs, a.refs) {
		return nil
	}
	b, err := json.Marshal(refs)
	if err == nil {
		err = durable.WriteFile(a.path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write approval of release %s: %w", ref, err)
	}
	a.refs = refs
	return nil
}

// approved is the newest approved release of this sequence, zero for none. The caller
// holds work, or is New.
func (s *Sequencer) approved() release.Ref {
	all := s.approvals.refs
	if ref, err := parseRef(s.cfg.Marks()[approvedKey]); err == nil {
		all = append([]release.Ref{ref}, all...)
	}
	var newest release.Ref
	for _, ref := range all {
		if known, ok := s.chain.Ref(ref.Number); ok && known == ref && ref.Number > newest.Number {
			newest = ref
		}
	}
	return newest
}

// approve approves a release and all before it. The caller holds work.
func (s *Sequencer) approve(ref release.Ref) error {
	if err := s.approvals.add(ref, s.approved()); err != nil {
		return err
	}
	if err := s.cfg.SetMark(approvedKey, markRef(ref)); err != nil {
		s.log.Warn("the approval of a release can't be told to all nodes; this booster and the other keep it", "release", ref, "error", err)
	}
	return nil
}

// quarantine puts a release in quarantine. The caller holds work.
func (s *Sequencer) quarantine(ref release.Ref, reason string) error {
	reason = cut(reason, api.MaxText)
	if err := s.chain.Quarantine(ref, reason); err != nil {
		return err
	}
	name := markRef(ref)
	key := quarantineKey + strconv.FormatUint(ref.Number, 10)
	if err := s.cfg.SetMark(key, name+" "+cut(reason, maxValue-len(name)-1)); err != nil {
		s.log.Warn("the quarantine of a release can't be told to all nodes; this booster and the other keep it", "release", ref, "error", err)
	}
	return nil
}

// lift takes a release out of quarantine. The caller holds work.
func (s *Sequencer) lift(ref release.Ref) error {
	if err := s.chain.Clear(ref); err != nil {
		return err
	}
	s.forget(ref)
	return nil
}

// forget removes the mark of a quarantine that is over.
func (s *Sequencer) forget(ref release.Ref) {
	key := quarantineKey + strconv.FormatUint(ref.Number, 10)
	if name, _, _ := strings.Cut(s.cfg.Marks()[key], " "); name != markRef(ref) {
		return
	}
	if err := s.cfg.DeleteMark(key); err != nil {
		s.log.Warn("the mark of a release that is no longer in quarantine can't be removed", "release", ref, "error", err)
	}
}

// heed takes over the quarantines that the cluster's marks tell of. The caller holds
// work.
func (s *Sequencer) heed() {
	for key, value := range s.cfg.Marks() {
		if !strings.HasPrefix(key, quarantineKey) {
			continue
		}
		name, reason, _ := strings.Cut(value, " ")
		ref, err := parseRef(name)
		if err != nil || reason == "" {
			continue // not written by a booster
		}
		known, ok := s.chain.Ref(ref.Number)
		if !ok || known != ref || s.chain.QuarantineReason(ref) != "" {
			continue
		}
		if err := s.chain.Quarantine(ref, reason); err != nil {
			s.log.Error("a release that is in quarantine can't be noted as such here", "release", ref, "error", err)
		}
	}
}

// markRef names a release in a mark: number, a hyphen, and the whole hash.
func markRef(ref release.Ref) string {
	return strconv.FormatUint(ref.Number, 10) + "-" + ref.Hash.String()
}

func parseRef(s string) (release.Ref, error) {
	number, hash, _ := strings.Cut(s, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return release.Ref{}, fmt.Errorf("read a release's name: %w", err)
	}
	h, err := release.ParseHash(hash)
	if err != nil {
		return release.Ref{}, fmt.Errorf("read a release's name: %w", err)
	}
	ref := release.Ref{Number: n, Hash: h}
	if markRef(ref) != s {
		return release.Ref{}, errors.New("read a release's name: spelled in another way")
	}
	return ref, nil
}

// cut shortens a text to so many bytes, between characters.
func cut(s string, most int) string {
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}
