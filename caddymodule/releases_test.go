package caddymodule

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/testbed/observe"
)

// patchAgent is an agent with a patch folder, as far as a booster sees it.
type patchAgent struct {
	*history.Log
	t    *testing.T
	node *gossip.Node
	dir  string // of blobs

	mu       sync.Mutex
	standing api.Standing
	pending  *release.Manifest
	fails    error
	lost     api.Lost
}

func (a *patchAgent) Lost(_ context.Context, l api.Lost, finding string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l == api.Confirm && finding != a.standing.Finding {
		return errors.New("what is gone has changed since")
	}
	a.lost = l
	return a.fails
}

func newPatchAgent(t *testing.T, name, booster string) *patchAgent {
	t.Helper()
	l, err := history.Open(history.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	a := &patchAgent{Log: l, t: t, node: peer(t, name, gossip.KindAgent, booster), dir: t.TempDir()}
	a.node.SetHandler(api.AgentHandler(a, gossip.Sender))
	met(t, a.node)
	return a
}

// met waits until an agent and the booster know of each other, one of which is the first.
func met(t *testing.T, agent *gossip.Node) {
	t.Helper()
	observe.Succeeds(t, agent.Name()+" and the booster find each other", func() error {
		known := slices.Contains(runningNode().conductor.others(gossip.KindAgent), agent.Name())
		return whether(known && len(others(agent, gossip.KindBooster)) > 0)
	})
}

func (a *patchAgent) Announced(string, []*release.Manifest) {}
func (a *patchAgent) Offered(string, []api.Content)         {}

func (a *patchAgent) Publish(ctx context.Context) (uint64, error) {
	a.mu.Lock()
	m, err := a.pending, a.fails
	a.mu.Unlock()
	if err != nil || m == nil {
		return 0, err
	}
	return m.Number, a.propose(ctx, m, api.Proposal{})
}

func (a *patchAgent) OpenBlob(h release.Hash) (fs.File, error) {
	return os.Open(filepath.Join(a.dir, h.String()))
}

func (a *patchAgent) Standing() api.Standing {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.standing
}

// propose proposes a release to the booster.
func (a *patchAgent) propose(ctx context.Context, m *release.Manifest, p api.Proposal) error {
	p.Manifest = m
	_, err := api.Client{Do: a.node.Do}.Propose(ctx, others(a.node, gossip.KindBooster)[0], p)
	return err
}

// publish proposes a release until it is taken.
func (a *patchAgent) publish(m *release.Manifest, p api.Proposal) *release.Manifest {
	a.t.Helper()
	observe.Succeeds(a.t, "publish", func() error { return a.propose(a.t.Context(), m, p) })
	return m
}

// runs reports which release the agent's server has.
func (a *patchAgent) runs(number uint64) {
	a.t.Helper()
	a.report(gossip.Report{State: gossip.ServerUp, Release: number})
}

func (a *patchAgent) report(r gossip.Report) {
	a.t.Helper()
	r.Server, r.Address, r.Capacity, r.Weight, r.Managed = a.node.Name(), "127.0.0.1:1", 8, 100, true
	if err := a.node.SetReport(r); err != nil {
		a.t.Fatal(err)
	}
}

// release makes a release of texts by path, and keeps them as blobs.
func (a *patchAgent) release(parent *release.Manifest, texts map[string]string) *release.Manifest {
	a.t.Helper()
	d := release.Draft{Kind: release.Patch, Origin: a.node.Name(), Time: time.Unix(1e9, 0), Note: "a note"}
	for path, text := range texts {
		h := release.Hash(sha256.Sum256([]byte(text)))
		d.Files = append(d.Files, release.File{Path: path, Size: int64(len(text)), SHA256: h})
		if err := os.WriteFile(filepath.Join(a.dir, h.String()), []byte(text), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	m, err := release.New(parent, d)
	if err != nil {
		a.t.Fatal(err)
	}
	return m
}

// TestReleases: what agents publish is listed, shown with its diff, approved, rolled
// back, and outlives a reload.
func TestReleases(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	caddyfile := b.cluster(address, "", "")
	b.load(caddyfile)
	s1, s2 := newPatchAgent(t, "s1", address), newPatchAgent(t, "s2", address)
	one := s1.publish(s1.release(nil, map[string]string{"a.py": "print(1)\n", "b.bin": "\x00"}), api.Proposal{})
	two := s1.publish(s1.release(one, map[string]string{"a.py": "print(2)\n", "c.py": "new\n"}), api.Proposal{})
	three := s2.publish(s2.release(two, map[string]string{"a.py": "print(3)\n"}), api.Proposal{Manual: true})
	leaves := s1.release(three, map[string]string{"omformmodel/migrations/0002_a.py": "a", "omformmodel/migrations/0002_b.py": "b"})
	if err := s1.propose(t.Context(), leaves, api.Proposal{}); !errors.Is(err, api.ErrRefused) || !strings.Contains(err.Error(), "0002_a.py") {
		t.Errorf("two migrations of one number: %v", err)
	}
	s1.runs(2)
	s2.runs(1)

	var list ReleaseList
	observe.Succeeds(t, "the list", func() error {
		if err := b.api(http.MethodGet, "/omflow/releases", &list); err != nil {
			return err
		}
		return whether(len(list.Releases) == 3 && len(list.Releases[1].Servers) == 1 && len(list.Releases[2].Servers) == 1)
	})
	if list.Head != 3 || list.Target != 2 {
		t.Errorf("head %d, target %d", list.Head, list.Target)
	}
	var got []string
	for _, r := range list.Releases {
		got = append(got, fmt.Sprintln(r.Number, r.Kind, r.Origin, r.Note, r.Changes, r.State, r.Servers))
	}
	want := []string{
		"3 patch s2 a note +0 ~1 \u22121 waiting []\n", "2 patch s1 a note +1 ~1 \u22121 current [s1]\n", "1 patch s1 a note +2 ~0 \u22120 past [s2]\n",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the list is\n%q, not\n%q", got, want)
	}
	var d ReleaseDetail
	if err := b.api(http.MethodGet, "/omflow/releases/2", &d); err != nil {
		t.Fatal(err)
	}
	const diff = "~ a.py (9 \u2192 9 bytes)\n--- 1/a.py\n+++ 2/a.py\n@@ -1 +1 @@\n-print(1)\n+print(2)\n" +
		"\u2212 b.bin (1 bytes)\n  binary\n+ c.py (4 bytes)\n--- /dev/null\n+++ 2/c.py\n@@ -0,0 +1 @@\n+new\n"
	if d.Diff != diff {
		t.Errorf("the diff is\n%s\nnot\n%s", d.Diff, diff)
	}
	if len(d.Paths) != 3 || d.Paths[1] != (ReleaseChange{"b.bin", "deleted", 1}) || d.Parent != 1 || d.Hash != two.Hash().String() {
		t.Errorf("%+v", d)
	}
	if on := fmt.Sprint(d.On); on != "[{s1 2 0 applied } {s2 1 0 missing }]" {
		t.Errorf("on %s", on)
	}
	for path, want := range map[string]string{
		"/omflow/releases/9": "status 404", "/omflow/releases/x": "status 404", "/omflow/releases/2/x/y": "status 404",
		"/omflow/releases/2/approve": "status 405", "/omflow/releases/2/explode": "status 404", "/omflow/releases/publish": "status 405",
	} {
		if err := b.api(http.MethodGet, path, new(string)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %s", path, err, want)
		}
	}
	post := func(path string) (done ReleaseDone, err error) {
		err = b.api(http.MethodPost, "/omflow/releases"+path, &done)
		return done, err
	}
	if done, err := post("/3/approve"); err != nil || done.Release != 3 {
		t.Errorf("approve: %+v, %v", done, err)
	}
	if done, err := post("/1/rollback"); err != nil || done.Release != 4 {
		t.Errorf("rollback: %+v, %v", done, err)
	}
	if _, err := post("/1/rollback"); err == nil || !strings.Contains(err.Error(), "status 409") || strings.Contains(err.Error(), "refused") {
		t.Errorf("rollback to what is there: %v", err)
	}
	if _, err := post("/9/approve"); err == nil || !strings.Contains(err.Error(), "status 404") {
		t.Errorf("approve what is not there: %v", err)
	}
	b.load(caddyfile)
	status, err := b.status()
	if err != nil || status.Releases.Head != 4 || status.Releases.Target != 4 {
		t.Errorf("after a reload: %+v, %v", status.Releases, err)
	}
	b.load(b.globals(""))
	b.load(caddyfile)
	observe.Succeeds(t, "after a restart", func() error {
		status, err := b.status()
		if err != nil {
			return err
		}
		return whether(status.Releases.Head == 4 && status.Releases.Target == 4)
	})
}

// TestReleasesStatus: the status tells of what is pending, kept aside, and in
// quarantine, and shouts about what an operator must put right.
func TestReleasesStatus(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	b.load(b.cluster(address, "", ""))
	s1, s2 := newPatchAgent(t, "s1", address), newPatchAgent(t, "s2", address)
	newPatchless(t, "s3", address)
	one := s1.publish(s1.release(nil, map[string]string{"a.py": "1"}), api.Proposal{})
	s1.publish(s1.release(one, map[string]string{"a.py": "bad"}), api.Proposal{})
	s1.runs(2)
	s2.runs(1)
	s2.mu.Lock()
	s2.standing = api.Standing{
		Applied: one.Ref(), Pending: 3, Waiting: "no booster", Trouble: "the disk\x1b[2J is full", Watch: "too many folders",
		Conflicts: []api.Conflict{{Path: "a.py", Release: 2, From: "s2", File: "/srv/conflicts/2-s2/a.py"}}, More: 4,
	}
	s2.mu.Unlock()
	var s *ReleasesStatus
	var problems string
	look := func() error {
		status, err := b.status()
		if err != nil {
			return err
		}
		s, problems = status.Releases, strings.Join(status.Problems, "\n")
		return nil
	}
	observe.Succeeds(t, "the standing", func() error {
		if err := look(); err != nil {
			return err
		}
		return whether(len(s.Pending) == 1 && s.Rollout != nil && len(s.Rollout.Done) == 1 && len(s.Rollout.Left) == 1)
	})
	if s.Pending[0] != (PendingStatus{"s2", 3, "no booster"}) || len(s.Conflicts) != 1 || s.Conflicts[0].Path != "a.py" || s.Conflicts[0].Server != "s2" {
		t.Errorf("%+v", s)
	}
	if s.Rollout.Release != 2 || s.Rollout.Done[0] != "s1" || s.Rollout.Left[0] != "s2" || s.Target != 2 {
		t.Errorf("%+v", s.Rollout)
	}
	for _, want := range []string{"server s2: the disk [2J is full", "keeps 5 versions", "/srv/conflicts/2-s2/a.py", "finds changed files late: too many folders"} {
		if !strings.Contains(problems, want) {
			t.Errorf("no problem says %q:\n%s", want, problems)
		}
	}
	r := runningNode().conductor.releases
	if err := r.Failed(t.Context(), 2, "s1", "HTTP 500"); err != nil {
		t.Fatal(err)
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	if s.Head != 3 || len(s.Quarantined) != 1 || s.Quarantined[0].Release != 2 || !strings.Contains(problems, "release 2 of s1 is in quarantine: server s1 did not do well with it: HTTP 500") {
		t.Errorf("%+v\n%s", s, problems)
	}
	var page string
	if err := b.api(http.MethodGet, "/metrics", &page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"omflow_booster_release_head 3\n", "omflow_booster_release_quarantined 1\n", "omflow_booster_release_waiting 0\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics have no %q", want)
		}
	}
}

// TestPublish: all agents publish at once, and one that can't is named.
func TestPublish(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	b.load(b.cluster(address, "", ""))
	s1, _, s3 := newPatchAgent(t, "s1", address), newPatchAgent(t, "s2", address), newPatchAgent(t, "s3", address)
	newPatchless(t, "s4", address)
	s1.pending = s1.release(nil, map[string]string{"a.py": "1"})
	s3.fails = errors.New("the folder is empty")
	var p ReleasePublished
	observe.Succeeds(t, "publish", func() error {
		if err := b.api(http.MethodPost, "/omflow/releases/publish", &p); err != nil {
			return err
		}
		return whether(len(p.Servers) == 3 && p.Servers[0].Release == 1)
	})
	if p.Servers[0].Name != "s1" || p.Servers[1] != (ServerPublished{Name: "s2"}) || !strings.Contains(p.Servers[2].Error, "the folder is empty") {
		t.Errorf("%+v", p)
	}
}

// TestActOnStandby: what an operator tells the standby reaches the active booster.
func TestActOnStandby(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	secondary := b.cluster(address, "booster {\nrole secondary\n}", "")
	b.load(secondary)
	other := peer(t, "booster-b", gossip.KindBooster, address)
	told := &toldBooster{}
	other.SetHandler(api.BoosterHandler(told, gossip.Sender))
	tell := func() error {
		var done ReleaseDone
		if err := b.api(http.MethodPost, "/omflow/releases/5/rollback", &done); err != nil || done.Release != 6 {
			return fmt.Errorf("rollback: release %d, %v", done.Release, err)
		}
		if err := b.api(http.MethodPost, "/omflow/releases/7/approve", &done); err == nil || !strings.Contains(err.Error(), "status 404") {
			return fmt.Errorf("approve: %v", err)
		}
		return nil
	}
	observe.Succeeds(t, "what it is told reaches the other one", func() error {
		err := tell()
		// It is the standby until it has looked for the other one for four seconds. Where the
		// two have not met by then it begins again.
		if s, failed := b.status(); err != nil && failed == nil && s.Pair.State == "active" {
			b.load(b.globals(""))
			b.load(secondary)
		}
		return err
	})
}

// toldBooster is the active booster; it can roll back only.
type toldBooster struct{ api.Booster }

func (*toldBooster) Rollback(_ context.Context, n uint64) (uint64, error) { return n + 1, nil }
func (*toldBooster) Approve(context.Context, uint64) error                { return history.ErrUnknown }
func (*toldBooster) Head() release.Ref                                    { return release.Ref{} }

// newPatchless joins an agent that keeps no folder.
func newPatchless(t *testing.T, name, booster string) {
	t.Helper()
	n := peer(t, name, gossip.KindAgent, booster)
	n.SetHandler(http.NotFoundHandler())
	met(t, n)
}

// TestContents: what an agent sends that is not what was asked for is not shown.
func TestContents(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	b.load(b.cluster(address, "", ""))
	s1, s2 := newPatchAgent(t, "s1", address), newPatchAgent(t, "s2", address)
	one := s1.release(nil, map[string]string{"a.py": "good", "b.py": "long"})
	changes := release.Changes(nil, one)
	bad := filepath.Join(s1.dir, changes[0].New.SHA256.String())
	if err := os.WriteFile(bad, []byte("evil"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runningNode().conductor.releases
	got := r.contents(t.Context(), changes, "s1")
	if _, ok := got[changes[0].New.SHA256]; ok {
		t.Error("another content is shown")
	}
	s2.release(nil, map[string]string{"a.py": "good"})
	if got := r.contents(t.Context(), changes, "s1"); string(got[changes[0].New.SHA256]) != "good" {
		t.Errorf("not fetched from the other agent: %q", got)
	}
	changes[0].New.Size = diffFile + 1
	if got := r.contents(t.Context(), changes[:1], "s2"); len(got) != 0 {
		t.Error("a file that is too long is fetched")
	}
	if _, err := opener(nil)(changes[0].New.SHA256); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was not fetched: %v", err)
	}
}
