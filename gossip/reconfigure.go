package gossip

import (
	"fmt"
	"slices"
)

// Reconfigure changes a node while it runs: the addresses to join, the cluster
// keys, the logger and the resolver. Membership and connections stay, except
// connections that were made under a key that is no longer accepted. A change
// of anything else fails with ErrNeedsNewNode, and then, as after any error,
// nothing has changed.
func (n *Node) Reconfigure(c Config) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("reconfigure gossip node: %w", err)
	}
	if c.timing == nil {
		c.timing = n.config().timing
	}
	c = c.withDefaults()

	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.config()
	if c.Name != old.Name || c.Kind != old.Kind || c.Version != old.Version || c.Listen != old.Listen || c.Advertise != old.Advertise || c.StateDir != old.StateDir {
		return fmt.Errorf("reconfigure gossip node: name, kind, version, listen and advertise address or state folder differ: %w", ErrNeedsNewNode)
	}
	if !c.Keys.Equal(old.Keys) {
		if err := n.setKeys(c); err != nil {
			return fmt.Errorf("reconfigure gossip node: %w", err)
		}
	}
	n.cfg.Store(&c)
	if !slices.Equal(c.Join, old.Join) && n.list != nil && !n.left {
		n.seeds.set(n.ctx, c.Join, n.keepJoined)
	}
	return nil
}

func (n *Node) setKeys(c Config) error {
	if err := n.id.SetKeys(c.Keys); err != nil {
		return err
	}
	if err := n.transport.ring.Set(c.Keys.Gossip()); err != nil {
		return err
	}
	// Kept connections show peers the certificate of the old first key. New
	// ones are made under the new one before the old key is taken away.
	n.client.CloseIdleConnections()
	n.streams.CloseIdleConnections()
	n.transport.conns.drop(n.id)
	return nil
}
