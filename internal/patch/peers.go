package patch

import (
	"context"
	"errors"
	"io"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
)

// ErrNoBooster: no active booster can be asked.
var ErrNoBooster = errors.New("no active booster answers")

// Peers are the other nodes. All methods may be called concurrently, and end with
// their context.
type Peers interface {
	// Propose asks the active booster to number a release. The error matches
	// ErrNoBooster, is a *history.StaleError when the release is to be rebased, or
	// matches api.ErrRefused when it can't become one, or api.ErrChanging when the
	// folder is to be looked at again.
	Propose(ctx context.Context, p api.Proposal) error
	// Chain returns the releases after a number, oldest first, as the active booster
	// has them.
	Chain(ctx context.Context, after uint64) ([]*release.Manifest, error)
	// Release fetches one release, whichever node has it. The error matches
	// history.ErrUnknown when none has.
	Release(ctx context.Context, ref release.Ref) (*release.Manifest, error)
	// Announce tells all other agents of a release, and returns when all know or
	// can't be told. Those find out from the booster.
	Announce(ctx context.Context, m *release.Manifest)
	// Offer tells all other agents of contents that a release may soon name. Nothing is
	// lost when they can't be told.
	Offer(ctx context.Context, contents ...api.Content)
	// Agents are the names of the other agents that are alive.
	Agents() []string
	// Blobs fetches contents from an agent and hands each to put, which checks it.
	// What the agent does not have is left out. The error matches api.ErrBusy when
	// another one should be asked.
	Blobs(ctx context.Context, agent string, files []release.File, put func(r io.Reader, h release.Hash, size int64) error) error
}
