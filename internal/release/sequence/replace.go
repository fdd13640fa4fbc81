package sequence

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// replaceTime is between two tries to have something take the place of a release in
// quarantine, which may have failed because the disk was full.
const replaceTime = time.Minute

// replaceAgain tries once more to have something take the place of the newest approved
// release, if that is in quarantine. It does so on the active booster only, which need not
// be the one that put it there.
func (s *Sequencer) replaceAgain(ctx context.Context) {
	if s.lead(ctx) != nil {
		return
	}
	defer s.end()
	s.replace(ctx)
}

// replace has something take the place of the newest approved release, if that is in
// quarantine, and reports whether it has. Why nothing does is logged when it reads otherwise
// than before. The caller holds work.
func (s *Sequencer) replace(ctx context.Context) bool {
	ref := s.approved()
	if ref.IsZero() || s.chain.QuarantineReason(ref) == "" {
		s.vacant = ""
		return false
	}
	err := s.takeBack(ctx, ref.Number)
	if err == nil {
		s.vacant = ""
		return true
	}
	if text := err.Error(); text != s.vacant {
		s.vacant = text
		s.log.Error("nothing takes the place of a release in quarantine; nothing more is rolled out", "release", ref, "error", err, "tried_every", replaceTime)
	}
	return false
}

// takeBack publishes the newest good content before a failed release. The caller holds
// work.
func (s *Sequencer) takeBack(ctx context.Context, number uint64) error {
	bad, err := s.chain.Get(number)
	if err != nil {
		return err
	}
	head, err := s.chain.Get(s.chain.Head().Number)
	if err != nil {
		return err
	}
	for _, e := range s.chain.List() { // newest first
		if e.Ref.Number >= number || e.Quarantined != "" {
			continue
		}
		good, err := s.chain.Get(e.Ref.Number)
		if err != nil {
			return err
		}
		if slices.Equal(good.Files, bad.Files) {
			return fmt.Errorf("release %d has the content of release %d, so the cause is not in its files; when that is mended, try again with `booster omflow releases approve %d`", number, good.Number, number)
		}
		_, err = s.revert(ctx, head, good, fmt.Sprintf("back to release %d, since release %d did not do well", good.Number, number))
		return err
	}
	return fmt.Errorf("there is no release before %d that could take its place; when the cause is mended, try again with `booster omflow releases approve %d`", number, number)
}
