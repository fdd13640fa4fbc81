package gossip

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/memberlist"

	"github.com/omflow/booster/internal/trust"
)

// meta is what each member tells of itself in memberlist's node meta. Only what
// stays the same for as long as the process runs belongs here: each change
// costs a broadcast to all.
type meta struct {
	Kind    string `json:"k"`
	Version string `json:"v,omitempty"`
	// Incarnation tells this run of the node from its earlier ones: the time
	// at which it was made, in nanoseconds since 1970. It is only compared for
	// equality, so clocks need not be right.
	Incarnation uint64 `json:"i"`
}

func (m meta) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode node meta: %w", err)
	}
	if len(b) > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("encode node meta: %d bytes, more than %d", len(b), memberlist.MetaMaxSize)
	}
	return b, nil
}

func decodeMeta(b []byte) (meta, error) {
	if len(b) > memberlist.MetaMaxSize {
		return meta{}, fmt.Errorf("decode node meta: %d bytes, more than %d", len(b), memberlist.MetaMaxSize)
	}
	var m meta
	if err := json.Unmarshal(b, &m); err != nil {
		return meta{}, fmt.Errorf("decode node meta: %w", err)
	}
	// A kind of a later version is a member too, of which this one knows no use.
	if err := (trust.Peer{Name: "x", Kind: m.Kind}).Validate(); err != nil {
		return meta{}, fmt.Errorf("decode node meta: %w", err)
	}
	if len(m.Version) > maxVersion || m.Incarnation == 0 {
		return meta{}, errors.New("decode node meta: version or incarnation is out of range")
	}
	return m, nil
}

// metas remembers what metas say: memberlist hands the same one over a dozen times
// while a node joins, and each look at the members has all of them.
type metas struct {
	mu sync.Mutex
	m  map[string]meta
}

func newMetas() *metas { return &metas{m: make(map[string]meta)} }

// decode is decodeMeta.
func (c *metas) decode(b []byte) (meta, error) {
	c.mu.Lock()
	m, ok := c.m[string(b)]
	c.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := decodeMeta(b)
	if err != nil {
		return meta{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m) >= 2*maxMembers { // each restart of a node makes a new one
		clear(c.m)
	}
	c.m[string(b)] = m
	return m, nil
}
