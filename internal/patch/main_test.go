package patch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settle is short, since tests wait for it often.
const settle = 30 * time.Millisecond

// content is what a folder holds: path to text.
type content map[string]string

// cluster is a booster and servers in one process.
type cluster struct {
	t       testing.TB
	mu      sync.Mutex
	booster *history.Log // nil: there is none now
	lead    string
	servers map[string]*server
	// refused is what a proposal is answered with; "": nothing.
	refused string
	// changing, if set, says whether a proposal may be half of a change.
	changing  func() bool
	proposals []api.Proposal
	served    map[string]int // blobs, by who sent them
	streams   map[string]int // of blobs, under way
	asked     map[string]int // for blobs, by who was
	// busyAfter is how many contents an agent sends before it has time for no other
	// stream; not there: any number.
	busyAfter map[string]int
	// cut is a server that the booster does not hear.
	cut string
	// spoilt has peers send something else than the contents that they are asked for.
	spoilt bool
	// hang, if set, holds proposals up until it is closed. Of those, held have come, and
	// the last one that did not wait for that has ended with gaveUp.
	hang   chan struct{}
	held   int
	gaveUp error
}

// server is one Member and its folder.
type server struct {
	*Member
	c    *cluster
	name string
	root string
	cfg  Config
	off  bool
}

func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t, servers: make(map[string]*server), served: make(map[string]int), streams: make(map[string]int), asked: make(map[string]int), lead: "s1"}
	c.booster = c.newBooster()
	return c
}

func (c *cluster) newBooster() *history.Log {
	c.t.Helper()
	l, err := history.Open(history.Config{Dir: c.t.TempDir()})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { l.Close() })
	return l
}

// add makes a server whose folder holds files, and starts its Member.
func (c *cluster) add(name string, files content, change func(*Config)) *server {
	c.t.Helper()
	dir := c.t.TempDir()
	s := &server{c: c, name: name, off: true, root: filepath.Join(dir, "home")}
	s.cfg = Config{
		Root: s.root, StateDir: filepath.Join(dir, "state"), Node: name, Settle: settle, Peers: s,
		First: func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.lead == name }, Logger: slog.New(slog.DiscardHandler),
	}
	if os.Getenv("PATCH_TEST_LOG") != "" {
		s.cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("server", name)
	}
	if change != nil {
		change(&s.cfg)
	}
	if err := os.Mkdir(s.root, 0o755); err != nil {
		c.t.Fatal(err)
	}
	s.write(files)
	c.mu.Lock()
	c.servers[name] = s
	c.mu.Unlock()
	s.start()
	c.t.Cleanup(s.stop)
	return s
}

// start starts the Member, which hears of the booster from now on.
func (s *server) start() {
	s.c.t.Helper()
	m, err := New(s.cfg)
	if err != nil {
		s.c.t.Fatal(err)
	}
	s.c.mu.Lock()
	s.Member, s.off = m, false
	s.c.mu.Unlock()
	s.hear()
}

// stop ends the Member, if it runs.
func (s *server) stop() {
	s.c.mu.Lock()
	off := s.off
	s.off = true
	s.c.mu.Unlock()
	if off {
		return
	}
	if err := s.Close(); err != nil {
		s.c.t.Errorf("close %s: %v", s.name, err)
	}
}

// hear tells the Member what the booster says, if there is one.
func (s *server) hear() {
	s.c.mu.Lock()
	booster := s.c.booster
	s.c.mu.Unlock()
	if m := s.c.member(s.name); m != nil && booster != nil {
		m.Heard(booster.Head())
	}
}

// member is a server's Member, nil while it is off.
func (c *cluster) member(name string) *Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.servers[name]; s != nil && !s.off {
		return s.Member
	}
	return nil
}

func (c *cluster) setBooster(l *history.Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.booster = l
}

func (c *cluster) head() release.Ref {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.booster == nil {
		return release.Ref{}
	}
	return c.booster.Head()
}

// all are the servers that run, by name.
func (c *cluster) all() []*server {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*server
	for _, name := range slices.Sorted(maps.Keys(c.servers)) {
		if s := c.servers[name]; !s.off {
			out = append(out, s)
		}
	}
	return out
}

// Propose implements Peers.
func (s *server) Propose(ctx context.Context, p api.Proposal) error {
	s.c.mu.Lock()
	booster, refused, hang, changing := s.c.booster, s.c.refused, s.c.hang, s.c.changing
	cut := s.c.cut == s.name
	s.c.mu.Unlock()
	switch {
	case booster == nil || cut:
		return ErrNoBooster
	case refused != "":
		return fmt.Errorf("%w: %s", api.ErrRefused, refused)
	case changing != nil && changing():
		return fmt.Errorf("%w: it works on a deploy", api.ErrChanging)
	case hang != nil:
		s.c.mu.Lock()
		s.c.held++
		s.c.mu.Unlock()
		select {
		case <-hang:
		case <-ctx.Done():
			s.c.mu.Lock()
			defer s.c.mu.Unlock()
			s.c.gaveUp = ctx.Err()
			return s.c.gaveUp
		}
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if err := booster.Propose(p.Manifest, s.name); err != nil {
		return err
	}
	s.c.proposals = append(s.c.proposals, p)
	return nil
}

// Chain implements Peers.
func (s *server) Chain(_ context.Context, after uint64) (chain []*release.Manifest, err error) {
	s.c.mu.Lock()
	booster := s.c.booster
	s.c.mu.Unlock()
	if booster == nil {
		return nil, ErrNoBooster
	}
	for _, e := range slices.Backward(booster.List()) {
		if e.Ref.Number > after {
			m, err := booster.Get(e.Ref.Number)
			if err != nil {
				return nil, err
			}
			chain = append(chain, m)
		}
	}
	return chain, nil
}

// Release implements Peers.
func (s *server) Release(_ context.Context, ref release.Ref) (*release.Manifest, error) {
	s.c.mu.Lock()
	booster := s.c.booster
	s.c.mu.Unlock()
	if booster == nil {
		return nil, history.ErrUnknown
	}
	return booster.Get(ref.Number)
}

// Announce implements Peers. Through the encoding, as between machines.
func (s *server) Announce(_ context.Context, m *release.Manifest) {
	b, err := m.Encode()
	if err != nil {
		s.c.t.Error(err)
		return
	}
	for _, name := range s.Agents() {
		other := s.c.member(name)
		if other == nil {
			continue
		}
		copied, err := release.Decode(b)
		if err != nil {
			s.c.t.Error(err)
			return
		}
		other.Announced(s.name, []*release.Manifest{copied})
	}
}

// write writes files into the folder, each with a rename, and does more, all in one
// change: the watcher waits while a changed file is open for writing. A machine that is
// busy may need longer than settle from one file to the next.
func (s *server) write(files content, more ...func()) {
	s.c.t.Helper()
	for path, text := range files {
		name := filepath.Join(s.root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			s.c.t.Fatal(err)
		}
		f, err := os.OpenFile(name+".tmp~", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			s.c.t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			s.c.t.Fatal(err)
		}
		if runtime.GOOS == "windows" { // what is open there can't be renamed
			f.Close()
		}
		if err := os.Rename(name+".tmp~", name); err != nil {
			s.c.t.Fatal(err)
		}
	}
	for _, do := range more {
		do()
	}
}

// remove takes files and folders away, each of them at once: of a folder that is removed
// file by file the watcher may see a part.
func (s *server) remove(paths ...string) {
	s.c.t.Helper()
	gone := s.c.t.TempDir()
	for i, p := range paths {
		if err := os.Rename(filepath.Join(s.root, filepath.FromSlash(p)), filepath.Join(gone, fmt.Sprint(i))); err != nil {
			s.c.t.Fatal(err)
		}
	}
}

// content is what the folder holds.
func (s *server) content() content {
	s.c.t.Helper()
	out := content{}
	err := filepath.WalkDir(s.root, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(s.root, path)
		if relErr != nil {
			return relErr
		}
		rel = filepath.ToSlash(rel)
		var b []byte
		if err == nil && !d.IsDir() {
			b, err = os.ReadFile(path)
		}
		switch {
		case strings.HasPrefix(rel, release.StagingDir) && errors.Is(err, fs.ErrNotExist):
			return nil // a release is being staged meanwhile
		case err != nil || d.IsDir():
			return err
		case filepath.Dir(rel) != release.StagingDir+"/new":
			out[rel] = string(b)
		}
		return nil
	})
	if err != nil {
		s.c.t.Fatal(err)
	}
	return out
}

func (s *server) mustHold(want content) {
	s.c.t.Helper()
	if got := s.content(); !maps.Equal(got, want) {
		s.c.t.Errorf("%s holds %v, want %v", s.name, got, want)
	}
}

// conflicts are the versions that were kept aside: where to text.
func (s *server) conflicts() content {
	s.c.t.Helper()
	out := content{}
	for _, k := range s.Standing().Conflicts {
		b, err := os.ReadFile(k.File)
		if err != nil {
			s.c.t.Fatal(err)
		}
		out[fmt.Sprintf("%d-%s/%s", k.Release, k.From, k.Path)] = string(b)
	}
	return out
}

// wait polls until ok; all servers hear of the booster meanwhile, as they do in each
// of its answers.
func (c *cluster) wait(what string, ok func() bool) {
	c.t.Helper()
	observe.Succeeds(c.t, what, func() error {
		for _, s := range c.all() {
			s.hear()
		}
		if ok() {
			return nil
		}
		return standing{c}
	})
}

// standing is the error that tells how a cluster stands.
type standing struct{ c *cluster }

func (s standing) Error() string {
	text := fmt.Sprintf("the head is %s", s.c.head())
	for _, one := range s.c.all() {
		text += fmt.Sprintf("\n%s: %+v %v", one.name, one.State(), one.watcher.Status())
	}
	return text
}

// numbered waits until the booster has given out the number.
func (c *cluster) numbered(number uint64) {
	c.t.Helper()
	c.wait(fmt.Sprintf("release %d", number), func() bool { return c.head().Number >= number })
}

// allStaged waits until all servers have staged the head.
func (c *cluster) allStaged() {
	c.t.Helper()
	c.wait("the newest release to be staged everywhere", func() bool {
		head := c.head()
		return !slices.ContainsFunc(c.all(), func(s *server) bool { return s.State().Staged != head })
	})
}

// rollOut applies the head on all servers, as a coordinator would order it.
func (c *cluster) rollOut() {
	c.t.Helper()
	c.allStaged()
	head := c.head()
	for _, s := range c.all() {
		if s.State().Applied == head {
			continue
		}
		if err := s.Prepare(context.Background(), head.Number); err != nil {
			c.t.Fatalf("%s: %v", s.name, err)
		}
		if err := s.Apply(context.Background(), head.Number); err != nil {
			c.t.Fatalf("%s: %v", s.name, err)
		}
	}
}

// quiet waits until nothing is pending anywhere for some settle times.
func (c *cluster) quiet() {
	c.t.Helper()
	since := time.Now()
	head := c.head()
	c.wait("nothing to change", func() bool {
		if now := c.head(); now != head || slices.ContainsFunc(c.all(), func(s *server) bool { return s.State().Pending > 0 }) {
			head, since = now, time.Now()
		}
		return time.Since(since) > 6*settle
	})
}

// two are servers s1, the lead, and s2, whose folders are release 1.
func two(t testing.TB, files content) (*cluster, *server, *server) {
	t.Helper()
	c := newCluster(t)
	s1, s2 := c.add("s1", files, nil), c.add("s2", files, nil)
	c.wait("release 1 to be noted on both", func() bool {
		return c.head().Number == 1 && s1.State().Applied == c.head() && s2.State().Applied == c.head()
	})
	return c, s1, s2
}

func excluding(patterns ...string) func(*Config) {
	return func(c *Config) { c.Rules = watch.Rules{Exclude: patterns} }
}
