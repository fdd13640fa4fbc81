package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/testbed/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is replicas that reach each other without a network.
type cluster struct {
	testing.TB
	dir string

	mu    sync.Mutex
	nodes map[string]*node
	cut   map[string]bool // who can't be reached
	bare  map[string]bool // who says that it has no content
}

// node is one replica and what a test may do to it.
type node struct {
	*Replica
	c          *cluster
	name, root string
	state      string
	log        *observe.Buffer
	cfg        Config
}

func newCluster(t testing.TB, names ...string) *cluster {
	t.Helper()
	c := &cluster{TB: t, dir: t.TempDir(), nodes: make(map[string]*node), cut: make(map[string]bool), bare: make(map[string]bool)}
	for _, name := range names {
		c.start(name, nil)
	}
	return c
}

// names makes n names of nodes.
func names(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("s%02d", i))
	}
	return out
}

// start starts a node, anew if it was there.
func (c *cluster) start(name string, tune func(*Config)) *node {
	c.Helper()
	n := &node{
		c: c, name: name, root: filepath.Join(c.dir, name, "uploads"), state: filepath.Join(c.dir, name, "state"), log: new(observe.Buffer),
	}
	n.cfg = Config{
		Root: n.root, StateDir: n.state, Node: name, Peers: &peers{c, name}, Settle: 50 * time.Millisecond,
		Rescan: time.Hour, Reconcile: time.Hour, Logger: slog.New(slog.NewTextHandler(n.log, nil)),
	}
	if tune != nil {
		tune(&n.cfg)
	}
	r, err := New(n.cfg)
	if err != nil {
		c.Fatal(err)
	}
	n.Replica = r
	c.Cleanup(func() { r.Close() })
	observe.Eventually(c, "first look of "+name, func() bool { _, err := r.Digest(); return err == nil })
	c.mu.Lock()
	c.nodes[name] = n
	c.mu.Unlock()
	return n
}

// stop ends a node as a service does.
func (c *cluster) stop(name string) {
	c.Helper()
	n := c.node(name)
	c.mu.Lock()
	delete(c.nodes, name)
	c.mu.Unlock()
	if err := n.Close(); err != nil {
		c.Error(err)
	}
}

func (c *cluster) node(name string) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[name]
}

// isolate cuts a node off, or brings it back.
func (c *cluster) isolate(name string, off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut[name] = off
}

func (c *cluster) all() []*node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*node
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		out = append(out, c.nodes[name])
	}
	return out
}

// linked waits until all know of each other and have compared, so that what comes
// is pushed.
func (c *cluster) linked() {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), observe.Patience)
	defer cancel()
	for _, n := range c.all() {
		if err := n.Sync(ctx); err != nil {
			c.Fatal(err)
		}
	}
}

// hold waits until all folders hold exactly what is wanted, path to content, and
// all indexes agree.
func (c *cluster) hold(want map[string]string) {
	c.Helper()
	for deadline := time.Now().Add(observe.Patience); ; time.Sleep(2 * time.Millisecond) {
		bad := c.differs(want)
		if bad == "" {
			return
		}
		if time.Now().After(deadline) {
			for _, n := range c.all() {
				c.Logf("%s: %+v\n%s", n.name, n.Status(), n.log)
			}
			c.Fatal(bad)
		}
	}
}

func (c *cluster) differs(want map[string]string) string {
	var first [Buckets]uint64
	for i, n := range c.all() {
		if got := n.content(); !maps.Equal(got, want) {
			return fmt.Sprintf("%s holds %d files %.300q, want %d %.300q", n.name, len(got), got, len(want), want)
		}
		d, err := n.Digest()
		if err != nil {
			return err.Error()
		}
		if i == 0 {
			first = d.Buckets
		} else if first != d.Buckets {
			return n.name + " has another digest"
		}
	}
	return ""
}

// content is what the folder holds, with the staging folder's.
func (n *node) content() map[string]string {
	out := make(map[string]string)
	err := filepath.WalkDir(n.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // it vanished
		}
		b, err := os.ReadFile(path)
		if err == nil {
			rel, _ := filepath.Rel(n.root, path)
			out[filepath.ToSlash(rel)] = string(b)
		}
		return nil
	})
	if err != nil {
		n.c.Fatal(err)
	}
	return out
}

func (n *node) path(name string) string { return filepath.Join(n.root, filepath.FromSlash(name)) }

func (n *node) write(name, content string) {
	n.c.Helper()
	if err := os.MkdirAll(filepath.Dir(n.path(name)), 0o755); err != nil {
		n.c.Fatal(err)
	}
	if err := os.WriteFile(n.path(name), []byte(content), 0o644); err != nil {
		n.c.Fatal(err)
	}
}

func (n *node) erase(name string) {
	n.c.Helper()
	if err := os.RemoveAll(n.path(name)); err != nil {
		n.c.Fatal(err)
	}
}

// keptAside is the contents that were kept aside.
func (n *node) keptAside() []string {
	var out []string
	_ = filepath.WalkDir(filepath.Join(n.state, "conflicts"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, _ := os.ReadFile(path)
			out = append(out, string(b))
		}
		return nil
	})
	return out
}

// peers is the cluster as one node sees it.
type peers struct {
	c    *cluster
	self string
}

func (p *peers) Alive() []string {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	var out []string
	for name := range p.c.nodes {
		if name != p.self && !p.c.cut[name] && !p.c.cut[p.self] {
			out = append(out, name)
		}
	}
	return out
}

var errCut = errors.New("the peer can't be reached")

func (p *peers) reach(name string) (*node, error) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	n := p.c.nodes[name]
	if n == nil || p.c.cut[name] || p.c.cut[p.self] {
		return nil, errCut
	}
	return n, nil
}

func (p *peers) Push(_ context.Context, peer string, entries []Entry) error {
	n, err := p.reach(peer)
	if err != nil {
		return err
	}
	return n.Receive(p.self, slices.Clone(entries))
}

func (p *peers) Digest(_ context.Context, peer string) (Digest, error) {
	n, err := p.reach(peer)
	if err != nil {
		return Digest{}, err
	}
	return n.Replica.Digest()
}

func (p *peers) Entries(_ context.Context, peer string, page Page) (Entries, error) {
	n, err := p.reach(peer)
	if err != nil {
		return Entries{}, err
	}
	return n.Replica.Entries(page)
}

func (p *peers) Fetch(ctx context.Context, peer string, b Blob) (io.ReadCloser, error) {
	n, err := p.reach(peer)
	if err != nil {
		return nil, err
	}
	p.c.mu.Lock()
	bare := p.c.bare[peer]
	p.c.mu.Unlock()
	if bare {
		return nil, ErrNotHere
	}
	return n.Open(ctx, b)
}

// staged is whether the folder has the staging folder.
func (n *node) staged() bool {
	_, err := os.Lstat(n.path(release.StagingDir))
	return err == nil
}

func has(list []string, want string) bool { return slices.Contains(list, want) }

func long(n int) string { return strings.Repeat("0123456789abcdef", n/16) }
