package sequence

import (
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/history"
)

// State is what may become of a release, or has.
type State string

// The states of releases.
const (
	// Current is the newest release that may be rolled out.
	Current State = "current"
	// Waiting is one that a person has to approve, or that stands on such a one.
	Waiting State = "waiting"
	// Quarantined is one that a server did not do well with.
	Quarantined State = "quarantined"
	// Past is one that a later one has taken the place of.
	Past State = "past"
)

// Release is a release and its state.
type Release struct {
	history.Entry
	State State
	// Alarm is set for a release in quarantine while nothing that anybody has made
	// since is rolled out: what was wrong with it is not mended.
	Alarm bool
}

// Status is what the sequence holds.
type Status struct {
	Head, Approved release.Ref
	// Ready is true on the active booster, when it gives out numbers.
	Ready bool
	// Trouble says why the release log could not be opened, "" when it could.
	Trouble string
	// Releases are the newest first.
	Releases []Release
}

// Status describes the sequence as this booster knows it.
func (s *Sequencer) Status() Status {
	s.mu.Lock()
	s.look()
	st := Status{Head: s.view.head, Approved: s.view.approved, Ready: s.active && s.ready}
	s.mu.Unlock()
	if err := s.chain.Trouble(); err != nil {
		st.Trouble = err.Error()
	}
	mended := false
	for _, e := range s.chain.List() {
		r := Release{Entry: e, State: Past}
		switch {
		case e.Quarantined != "":
			r.State, r.Alarm = Quarantined, !mended
		case e.Ref.Number > st.Approved.Number:
			r.State = Waiting
		case e.Ref == st.Approved:
			r.State = Current
		}
		if r.State == Current || r.State == Past {
			mended = mended || e.Kind != release.Rollback
		}
		st.Releases = append(st.Releases, r)
	}
	return st
}
