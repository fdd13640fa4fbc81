package caddymodule

import (
	"context"
	"fmt"
	"slices"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/rollout"
)

// Releases returns the sequence as the coordinator needs it.
func (r *releases) Releases() rollout.Releases {
	return reasoned{Releases: r.Sequencer.Releases(), node: r.node}
}

// reasoned adds to why a server did not do well with a release what its agent says of it at
// that moment: of a process that does not stay up, its last output. The coordinator knows no
// more than that the server was not up, and once the release is taken back nobody does.
type reasoned struct {
	rollout.Releases
	node *gossip.Node
}

// Failed implements rollout.Releases.
func (r reasoned) Failed(ctx context.Context, number uint64, server, reason string) error {
	if slices.Contains(others(r.node, gossip.KindAgent), server) { // else its report is of another time
		for _, report := range r.node.Reports() {
			if report.Server == server && report.Reason != "" {
				reason = fmt.Sprintf("%s; its agent says: %s", reason, plain(report.Reason))
			}
		}
	}
	return r.Releases.Failed(ctx, number, server, reason)
}
