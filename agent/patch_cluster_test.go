//go:build unix

package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/testbed/observe"
)

// numberer is a booster that gives out numbers and does nothing else.
type numberer struct {
	*history.Log
	active bool
}

func (n *numberer) Propose(_ context.Context, p api.Proposal, from string) error {
	if !n.active {
		return rollout.ErrNotActive
	}
	return n.Log.Propose(p.Manifest, from)
}

func (n *numberer) Follow(api.Update, string) error                  { return rollout.ErrNotActive }
func (n *numberer) Approve(context.Context, uint64) error            { return rollout.ErrNotActive }
func (n *numberer) Rollback(context.Context, uint64) (uint64, error) { return 0, rollout.ErrNotActive }

// ring is a booster that is active, one that is not, and agents that keep a folder the
// same, over real connections.
type ring struct {
	t       testing.TB
	booster *numberer
	members []*patch.Member
	roots   []string
}

const ringSettle = 50 * time.Millisecond

func newRing(t testing.TB, agents int) *ring {
	t.Helper()
	r := &ring{t: t}
	var addrs []string
	for i := range 2 {
		log, err := history.Open(history.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { log.Close() })
		b := &numberer{log, i == 1}
		n := node(t, gossip.KindBooster, fmt.Sprint("booster-", i), addrs...)
		n.SetHandler(api.BoosterHandler(b, peerOf))
		r.booster, addrs = b, append(addrs, n.Addr())
	}
	for i := range agents {
		dir := t.TempDir()
		name := fmt.Sprintf("s%d", i+1)
		n := node(t, gossip.KindAgent, name, addrs...)
		root := filepath.Join(dir, "home")
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "manage.py"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := patch.New(patch.Config{
			Root: root, StateDir: filepath.Join(dir, "state"), Node: name, Settle: ringSettle,
			Peers: member{n}.Releases(), First: func() bool { return i == 0 }, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
		n.SetHandler(serveReleases(m))
		r.members, r.roots = append(r.members, m), append(r.roots, root)
		r.wait("members to see each other", func() bool {
			return len(nodePeers{member{n}}.Agents()) == i && len(member{n}.boosters()) == 2
		})
	}
	for _, m := range r.members {
		m.Heard(r.booster.Head())
	}
	r.wait("release 1", func() bool { return r.applied(1) })
	return r
}

func peerOf(req *http.Request) (name string, booster, ok bool) {
	p, ok := gossip.PeerFrom(req.Context())
	return p.Name, p.Kind == gossip.KindBooster, ok
}

func (r *ring) applied(number uint64) bool {
	for _, m := range r.members {
		if m.State().Applied.Number != number {
			return false
		}
	}
	return true
}

func (r *ring) staged(number uint64) bool {
	for _, m := range r.members {
		if m.State().Staged.Number < number {
			return false
		}
	}
	return true
}

func (r *ring) wait(what string, ok func() bool) {
	r.t.Helper()
	observe.Succeeds(r.t, what, func() error {
		if !ok() {
			return standing(r.members)
		}
		return nil
	})
}

// standing is the error that tells how folders stand.
type standing []*patch.Member

func (s standing) Error() (text string) {
	for _, m := range s {
		text += fmt.Sprintf("\n%+v", m.State())
	}
	return text
}

// rollOut has the newest release applied everywhere.
func (r *ring) rollOut() {
	r.t.Helper()
	head := r.booster.Head()
	for _, m := range r.members {
		m.Heard(head)
		if err := m.Apply(context.Background(), head.Number); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestPatchOverTheCluster: what is saved beside one server is staged beside the others
// without a word from the booster, and applied on one.
func TestPatchOverTheCluster(t *testing.T) {
	r := newRing(t, 3)
	if err := os.WriteFile(filepath.Join(r.roots[1], "new.py"), []byte("import this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.wait("staged everywhere", func() bool { return r.staged(2) })
	r.rollOut()
	for _, root := range r.roots {
		got, err := os.ReadFile(filepath.Join(root, "new.py"))
		if err != nil || !bytes.Equal(got, []byte("import this\n")) {
			t.Errorf("%s: %q, %v", root, got, err)
		}
	}
}

// BenchmarkPatch tells the time from a save to staged on each of two peers, less the
// time to settle, over loopback.
func BenchmarkPatch(b *testing.B) {
	for _, bench := range []struct {
		name        string
		files, size int
	}{{"1x10kB", 1, 10 << 10}, {"1000x4kB", 1000, 4 << 10}, {"1x100MB", 1, 100 << 20}} {
		b.Run(bench.name, func(b *testing.B) {
			r := newRing(b, 3)
			content := make([]byte, bench.size)
			total := time.Duration(0)
			number := uint64(1)
			for b.Loop() {
				dir := filepath.Join(r.roots[0], fmt.Sprint("d", number))
				if err := os.Mkdir(dir, 0o755); err != nil {
					b.Fatal(err)
				}
				for i := range bench.files {
					if _, err := rand.Read(content); err != nil {
						b.Fatal(err)
					}
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), content, 0o600); err != nil {
						b.Fatal(err)
					}
				}
				begun := time.Now()
				number++
				r.wait("staged", func() bool { return r.staged(number) })
				total += time.Since(begun) - ringSettle
				b.StopTimer()
				r.rollOut()
				b.StartTimer()
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms/patch")
		})
	}
}
