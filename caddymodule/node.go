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
	// conductor is a booster's, nil on an agent.
	conductor *conductor
	// oracle asks agents what they read of Oracle's exporter; nil on an agent.
	oracle *oracleReadings
	// pair is that of a booster that is not alone, else nil.
	pair *pairing
	log  nodeLog
	inForce[nodeConfig]
}

// nodeConfig is what a configuration wants of the node.
type nodeConfig struct {
	gossip gossip.Config
	pair   pairConfig // of a booster
	other  bool       // join names another booster
}

// Destruct leaves the cluster. Caddy's pool calls it when no configuration has the
// node any more.
func (n *sharedNode) Destruct() error {
	var handedOver error
	if n.pair != nil {
		handedOver = n.pair.close()
	}
	if n.conductor != nil {
		n.conductor.close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	return errors.Join(handedOver, n.node.Leave(ctx), n.node.Close())
}

func newSharedNode(cfg nodeConfig) (*sharedNode, error) {
	node, err := gossip.New(cfg.gossip)
	if err != nil {
		return nil, atWritten(cfg.gossip.Listen, err)
	}
	shared := &sharedNode{node: node}
	shared.log.set(cfg.gossip.Logger)
	shared.put = func(next nodeConfig) error {
		if next.pair != cfg.pair {
			return errPairRestart
		}
		if shared.pair != nil {
			shared.pair.expect(next.other)
		}
		if err := node.Reconfigure(next.gossip); err != nil {
			return err
		}
		shared.log.set(next.gossip.Logger)
		return nil
	}
	if err := node.Start(); err != nil {
		return nil, errors.Join(err, node.Close())
	}
	if cfg.gossip.Kind != gossip.KindBooster {
		return shared, nil
	}
	shared.oracle = &oracleReadings{node: node}
	log := shared.log.logger()
	if cfg.pair.role != "" {
		if shared.pair, err = newPairing(node, cfg.pair, cfg.gossip.StateDir, log); err != nil {
			return nil, errors.Join(err, node.Close())
		}
		shared.pair.expect(cfg.other)
	}
	shared.conductor, err = newConductor(node, log, cfg.gossip.StateDir, shared.activeTerm, shared.alone)
	if err != nil {
		if shared.pair != nil {
			err = errors.Join(err, shared.pair.close())
		}
		return nil, errors.Join(err, node.Close())
	}
	return shared, nil
}

// alone reports whether this is the only booster that is configured.
func (n *sharedNode) alone() bool { return n.pair == nil }

// active reports whether this booster is the active one, at this moment.
func (n *sharedNode) active() bool { return n.pair == nil || n.pair.Active() }

// activeTerm is active with the term that it is in. A booster that is alone has one
// term for ever.
func (n *sharedNode) activeTerm() (term uint64, active bool) {
	if n.pair == nil {
		return 1, true
	}
	lease, ok := n.pair.Lease()
	return lease.Term, ok
}

// nodeUse is one configuration's use of the node.
type nodeUse struct {
	shared *sharedNode
	want   *want[nodeConfig]
}

// useNode joins the cluster, or changes the node that a configuration before this
// one has made.
func useNode(cfg nodeConfig) (*nodeUse, error) {
	if err := os.MkdirAll(cfg.gossip.StateDir, 0o700); err != nil {
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
func runningNode() *sharedNode {
	var node *sharedNode
	nodes.Range(func(_, value any) bool {
		if shared, ok := value.(*sharedNode); ok {
			node = shared
		}
		return true
	})
	return node
}
