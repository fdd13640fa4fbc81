package api

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/omflow/booster/internal/release"
)

// parent finds a release of that name, nil if it is not known.
type parent func(release.Ref) *release.Manifest

// parentIn finds parents in what a node knows. What it finds is checked when the release
// that follows is made whole.
func parentIn(c Chain) parent {
	return func(ref release.Ref) *release.Manifest {
		m, err := c.Get(ref.Number)
		if err != nil {
			return nil
		}
		return m
	}
}

// or finds parents among these first.
func (p parent) or(chain []*release.Manifest) parent {
	if p == nil {
		return nil
	}
	return func(ref release.Ref) *release.Manifest {
		if n := len(chain); n > 0 && chain[n-1].Number == ref.Number {
			return chain[n-1]
		}
		return p(ref)
	}
}

// proposal is the body of Propose.
func proposal(p Proposal, delta bool) (*bytes.Buffer, error) {
	var b []byte
	var err error
	if p.Delta = delta; delta {
		b = p.Manifest.Delta()
	} else {
		b, err = p.Manifest.Encode()
	}
	var body bytes.Buffer
	if err == nil {
		err = writeLine(&body, p)
	}
	if err != nil {
		return nil, fmt.Errorf("write a proposal: %w", err)
	}
	body.Write(b)
	return &body, nil
}

// shortFirst sends manifests as what differs from their parents, if that is known, and
// whole when the other node can't make them whole: it has not the parent, or knows no
// deltas. So one that refuses the release itself does that twice.
func shortFirst(known bool, send func(delta bool) error) error {
	if !known {
		return send(false)
	}
	err := send(true)
	if errors.Is(err, release.ErrNoParent) || errors.Is(err, ErrRefused) {
		return send(false)
	}
	return err
}

func anyDelta(chain []*release.Manifest) bool {
	return slices.ContainsFunc(chain, func(m *release.Manifest) bool { return m.HasDelta() })
}

// chainBody is the body of what ends with manifests.
func chainBody(line any, chain []*release.Manifest, delta bool) (*bytes.Buffer, error) {
	var body bytes.Buffer
	if line != nil {
		if err := writeLine(&body, line); err != nil {
			return nil, err
		}
	}
	if err := writeChain(&body, chain, delta); err != nil {
		return nil, err
	}
	return &body, nil
}
