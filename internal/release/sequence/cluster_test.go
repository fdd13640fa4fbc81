package sequence

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/testbed/observe"
)

// cluster is nodes in one process, which can be cut off from each other.
type cluster struct {
	t     *testing.T
	mu    sync.Mutex
	nodes map[string]*member
	clock int // of the marks
	out   observe.Buffer
}

// member is a booster or an agent.
type member struct {
	name    string
	booster bool
	side    int // nodes of other sides are not reached
	down    bool
	active  bool
	term    uint64
	handler http.Handler
	marks   map[string]stamped

	*Sequencer
	dir string
	end func()
}

type stamped struct {
	value   string
	at      int
	deleted bool
}

func newCluster(t *testing.T) *cluster {
	return &cluster{t: t, nodes: make(map[string]*member)}
}

type senderKey struct{}

func peer(r *http.Request) (name string, booster, ok bool) {
	m, ok := r.Context().Value(senderKey{}).(*member)
	if !ok {
		return "", false, false
	}
	return m.name, m.booster, true
}

// do sends a request from one node to another.
func (c *cluster) do(from *member) func(context.Context, string, *http.Request) (*http.Response, error) {
	return func(ctx context.Context, to string, r *http.Request) (*http.Response, error) {
		c.mu.Lock()
		m := c.nodes[to]
		ok := m != nil && !m.down && !from.down && m.side == from.side
		var h http.Handler
		if ok {
			h = m.handler
		}
		c.mu.Unlock()
		if !ok {
			return nil, errors.New("connection refused")
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r.WithContext(context.WithValue(ctx, senderKey{}, from)))
		return rec.Result(), nil
	}
}

func (c *cluster) others(of *member) (boosters, agents []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		switch m := c.nodes[name]; {
		case m == of || m.down || m.side != of.side:
		case m.booster:
			boosters = append(boosters, name)
		default:
			agents = append(agents, name)
		}
	}
	return boosters, agents
}

func (c *cluster) setMark(of *member, key string, s stamped) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	s.at = c.clock
	for _, m := range c.nodes {
		if !m.down && m.side == of.side {
			m.marks[key] = s
		}
	}
	return nil
}

func (c *cluster) marks(of *member) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]string)
	for key, s := range of.marks {
		if !s.deleted {
			out[key] = s.value
		}
	}
	return out
}

// cut puts nodes on a side of their own; heal joins all again.
func (c *cluster) cut(side int, names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		c.nodes[name].side = side
	}
}

func (c *cluster) heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]stamped)
	for _, m := range c.nodes {
		m.side = 0
		for key, s := range m.marks {
			if s.at > all[key].at {
				all[key] = s
			}
		}
	}
	for _, m := range c.nodes {
		m.marks = maps.Clone(all)
	}
}

// booster starts a booster over a folder.
func (c *cluster) booster(name, dir string, check func(*release.Manifest) error) *member {
	c.t.Helper()
	m := &member{name: name, booster: true, marks: make(map[string]stamped), dir: dir}
	var err error
	m.Sequencer, err = New(Config{
		Dir: dir, Node: name, Check: check, Logger: slog.New(slog.NewTextHandler(&c.out, nil)), Do: c.do(m),
		Active: func() (uint64, bool) { c.mu.Lock(); defer c.mu.Unlock(); return m.term, m.active },
		Others: func() (boosters, agents []string) { return c.others(m) },
		Marks:  func() map[string]string { return c.marks(m) },
		SetMark: func(key, value string) error {
			if len(key) > 128 || len(value) > 512 {
				return errors.New("too long for a mark")
			}
			return c.setMark(m, key, stamped{value: value})
		},
		DeleteMark: func(key string) error { return c.setMark(m, key, stamped{deleted: true}) },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	m.handler = api.BoosterHandler(m.Sequencer, peer)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { m.Run(ctx) })
	m.end = sync.OnceFunc(func() {
		c.mu.Lock()
		m.down = true
		c.mu.Unlock()
		cancel()
		wg.Wait()
		if err := m.Close(); err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(m.end)
	c.join(m)
	return m
}

func (c *cluster) join(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.nodes {
		if o.side == m.side && !o.down {
			for key, s := range o.marks {
				if s.at > m.marks[key].at {
					m.marks[key] = s
				}
			}
		}
	}
	c.nodes[m.name] = m
	for _, o := range c.nodes {
		if o.booster && o != m && !o.down {
			o.Joined()
		}
	}
}

// agentChain is an agent that knows releases.
type agentChain struct{ *history.Log }

func (agentChain) Announced(string, []*release.Manifest)        {}
func (agentChain) Offered(string, []api.Content)                {}
func (agentChain) Publish(context.Context) (uint64, error)      { return 0, nil }
func (agentChain) Lost(context.Context, api.Lost, string) error { return nil }
func (agentChain) OpenBlob(release.Hash) (fs.File, error)       { return nil, fs.ErrNotExist }
func (agentChain) Standing() api.Standing                       { return api.Standing{} }

func (c *cluster) agent(name string, knows ...*release.Manifest) *member {
	c.t.Helper()
	l, err := history.Open(history.Config{Dir: c.t.TempDir()})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = l.Close() })
	if _, err := l.Follow(knows, "test"); err != nil {
		c.t.Fatal(err)
	}
	m := &member{name: name, marks: make(map[string]stamped), handler: api.AgentHandler(agentChain{l}, peer)}
	c.join(m)
	return m
}

// setDown makes a node one that is not reached, or reached again.
func (c *cluster) setDown(m *member, down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.down = down
}

// dropMarks makes a node one that has not heard of any mark yet.
func (c *cluster) dropMarks(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(m.marks)
}

// elect makes a booster the active one of a new term, and the others standby.
func (c *cluster) elect(m *member, term uint64) {
	c.mu.Lock()
	for _, o := range c.nodes {
		if o.booster && o.side == m.side {
			o.active = false
		}
	}
	m.active, m.term = true, term
	c.mu.Unlock()
}

// settle lets everything come to rest.
func settle() {
	time.Sleep(gatherTime + 5*pollTime)
	synctest.Wait()
}

// propose proposes a release of origin over the control API.
func (c *cluster) propose(to *member, m *release.Manifest, p api.Proposal) error {
	p.Manifest = m
	from := &member{name: m.Origin, side: to.side}
	_, err := api.Client{Do: c.do(from)}.Propose(c.t.Context(), to.name, p)
	return err
}

// must proposes a release that must be taken.
func (c *cluster) must(to *member, m *release.Manifest, p api.Proposal) *release.Manifest {
	c.t.Helper()
	if err := c.propose(to, m, p); err != nil {
		c.t.Fatalf("propose %s: %v", m.Ref(), err)
	}
	return m
}

// make makes a release with one file of that content after parent.
func (c *cluster) make(parent *release.Manifest, origin, content string) *release.Manifest {
	c.t.Helper()
	m, err := release.New(parent, release.Draft{
		Kind: release.Patch, Origin: origin, Time: time.Unix(1e9, 0),
		Files: []release.File{{Path: "a.py", Size: int64(len(content)), SHA256: sum(content)}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// chain makes n releases.
func (c *cluster) chain(n int, origin string) []*release.Manifest {
	var out []*release.Manifest
	var parent *release.Manifest
	for i := range n {
		parent = c.make(parent, origin, fmt.Sprint(i+1))
		out = append(out, parent)
	}
	return out
}

func sum(s string) release.Hash { return sha256.Sum256([]byte(s)) }

// want checks what a booster says its target is.
func (c *cluster) want(m *member, number uint64, content string) {
	c.t.Helper()
	got := m.Releases().Target()
	if got.Number != number {
		c.t.Fatalf("booster %s: target %d, want %d", m.name, got.Number, number)
	}
	if number == 0 {
		return
	}
	manifest, err := m.Get(number)
	if err != nil {
		c.t.Fatal(err)
	}
	if f, _ := manifest.File("a.py"); f.SHA256 != sum(content) || manifest.Hash().String() != got.Hash {
		c.t.Fatalf("booster %s: release %d has not the content %q", m.name, number, content)
	}
}
