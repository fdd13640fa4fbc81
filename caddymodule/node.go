package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/omflow/booster/gossip"
)

// nodes keeps the cluster node over reloads. A process is one node, so there is
// one key: another listen address is a change that the node refuses.
var nodes = caddy.NewUsagePool()

const nodeKey = "node"

// leaveTime bounds the good-bye to the cluster.
const leaveTime = 3 * time.Second

// sharedNode is the node and what configurations want of it.
type sharedNode struct {
	node *gossip.Node
	inForce[gossip.Config]
}

// Destruct leaves the cluster. Caddy's pool calls it when no configuration has the
// node any more.
func (n *sharedNode) Destruct() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	return errors.Join(n.node.Leave(ctx), n.node.Close())
}

func newSharedNode(cfg gossip.Config) (*sharedNode, error) {
	node, err := gossip.New(cfg)
	if err != nil {
		return nil, atWritten(cfg.Listen, err)
	}
	if err := node.Start(); err != nil {
		return nil, errors.Join(err, node.Close())
	}
	shared := &sharedNode{node: node}
	shared.put = node.Reconfigure
	return shared, nil
}

// nodeUse is one configuration's use of the node.
type nodeUse struct {
	shared *sharedNode
	want   *want[gossip.Config]
}

// useNode joins the cluster, or changes the node that a configuration before this
// one has made.
func useNode(cfg gossip.Config) (*nodeUse, error) {
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("make state_dir: %w", err)
	}
	value, _, err := nodes.LoadOrNew(nodeKey, func() (caddy.Destructor, error) { return newSharedNode(cfg) })
	if err != nil {
		return nil, err
	}
	use := &nodeUse{shared: value.(*sharedNode)}
	if use.want, err = use.shared.use(cfg); err != nil {
		err = errors.Join(err, use.end())
		if errors.Is(err, gossip.ErrNeedsNewNode) {
			return nil, fmt.Errorf("%w: restart the process instead of reloading it", err)
		}
		return nil, err
	}
	return use, nil
}

// end takes this configuration's settings back and leaves the cluster if no other
// configuration has the node.
func (u *nodeUse) end() error {
	var dropped error
	if u.want != nil {
		dropped = u.shared.drop(u.want)
	}
	_, err := nodes.Delete(nodeKey)
	return errors.Join(dropped, err)
}

// runningNode returns the process's node, whichever configuration made it, or nil.
func runningNode() *gossip.Node {
	var node *gossip.Node
	nodes.Range(func(_, value any) bool {
		if shared, ok := value.(*sharedNode); ok {
			node = shared.node
		}
		return true
	})
	return node
}
