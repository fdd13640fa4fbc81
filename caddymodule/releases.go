package caddymodule

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/release/sequence"
	"github.com/omflow/booster/internal/rollout"
)

const (
	// standingTime bounds the question how an agent's files stand, and standingAge is
	// how long its answer is used again.
	standingTime = 500 * time.Millisecond
	standingAge  = time.Second
	// publishTime bounds how long an agent may take to publish what waits there: a
	// change settles, is read and stored, and gets its number.
	publishTime = time.Minute
	// heldTime bounds how long a server's proposals are held back because it works on
	// control requests. A deploy on OMFLOW 1.1.0.0 takes 2 to 3 s.
	heldTime = time.Minute
)

// releases is a booster's part in releases. It lives as long as the node.
type releases struct {
	*sequence.Sequencer
	node     *gossip.Node
	active   func() (term uint64, active bool)
	changing func(server string) bool

	mu        sync.Mutex
	held      map[string]heldBack // by server, see Propose
	standings []standing
	copies    []copying
	asked     time.Time
}

// standing is how the files of one server stand.
type standing struct {
	server string
	api.Standing
}

// newReleases opens the booster's sequence of releases. changing reports whether a server
// works on a request that may change its files.
func newReleases(node *gossip.Node, log *slog.Logger, stateDir string, active func() (uint64, bool), changing func(server string) bool) (*releases, error) {
	s, err := sequence.New(sequence.Config{
		Dir: filepath.Join(stateDir, "releases"), Node: node.Name(), Active: active, Do: node.Do,
		Others: func() (boosters, agents []string) {
			return others(node, gossip.KindBooster), others(node, gossip.KindAgent)
		},
		Marks: node.Marks, SetMark: node.SetMark, DeleteMark: node.DeleteMark,
		Check: checkRelease, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the sequence of releases: %w", err)
	}
	return &releases{Sequencer: s, node: node, active: active, changing: changing, held: make(map[string]heldBack)}, nil
}

// Propose implements api.Booster. A server that works on a control request has perhaps
// written half of the files that belong together: what it proposes is held back until it
// has answered, but for heldTime at most, as when requests follow each other without end,
// or one never ends.
func (r *releases) Propose(ctx context.Context, p api.Proposal, from string) error {
	server := p.Manifest.Origin
	if _, active := r.active(); active && r.changing(server) && r.holdBack(server, time.Now()) {
		return fmt.Errorf("%w: server %s works on a control request, or did a second ago; what it has changed is published when that has ended, or after %s", api.ErrChanging, server, heldTime)
	}
	err := r.Sequencer.Propose(ctx, p, from)
	if err == nil {
		r.mu.Lock()
		delete(r.held, server)
		r.mu.Unlock()
	}
	return err
}

// heldBack is since when, and until when, proposals of a server were held back.
type heldBack struct{ since, last time.Time }

// holdBack reports whether a proposal of the server is to be held back once more.
func (r *releases) holdBack(server string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.held[server]
	if now.Sub(h.last) > heldTime { // that was another change
		h.since = now
	}
	if now.Sub(h.since) >= heldTime {
		return false
	}
	h.last = now
	r.held[server] = h
	return true
}

// checkRelease refuses what OMFLOW Server would not start with.
func checkRelease(m *release.Manifest) error {
	paths := make([]string, 0, len(m.Files))
	for _, f := range m.Files {
		paths = append(paths, f.Path)
	}
	return omflow.CheckRelease(paths)
}

func (r *releases) client() api.Client { return api.Client{Do: r.node.Do} }

// act does what an operator wants of a release, here or at the active booster.
func (r *releases) act(ctx context.Context, act api.Act, number uint64) (uint64, error) {
	got, err := number, error(nil)
	if act == api.Approve {
		err = r.Approve(ctx, number)
	} else {
		got, err = r.Rollback(ctx, number)
	}
	if !errors.Is(err, rollout.ErrNotActive) {
		return got, err
	}
	for _, name := range others(r.node, gossip.KindBooster) {
		got, err := r.client().Act(ctx, name, act, number)
		if !errors.Is(err, rollout.ErrNotActive) {
			return got, err
		}
	}
	return 0, err
}

// published is what one agent answered when it was asked to publish.
type published struct {
	server string
	number uint64 // 0: nothing had changed
	err    error
}

// publishAll has all agents publish what waits there. One without a patch folder is left
// out.
func (r *releases) publishAll(ctx context.Context) []published {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	agents := others(r.node, gossip.KindAgent)
	all := make([]published, len(agents))
	var wg sync.WaitGroup
	for i, name := range agents {
		wg.Go(func() {
			number, err := r.client().Publish(ctx, name)
			all[i] = published{name, number, err}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(all, func(p published) bool { return errors.Is(p.err, history.ErrUnknown) })
}

// standing tells how the files of all servers stand.
func (r *releases) standing() []standing {
	standings, _ := r.look()
	return standings
}

// look asks all agents that are reached how their folders are, if that is not known
// from a moment ago. One that does not answer in time, or has none, is left out.
func (r *releases) look() ([]standing, []copying) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < standingAge {
		return r.standings, r.copies
	}
	ctx, cancel := context.WithTimeout(context.Background(), standingTime)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	var standings []standing
	var copies []copying
	for _, name := range others(r.node, gossip.KindAgent) {
		wg.Go(func() {
			if s, err := r.client().Standing(ctx, name); err == nil {
				mu.Lock()
				defer mu.Unlock()
				standings = append(standings, standing{name, s})
			}
		})
		wg.Go(func() {
			if s, err := r.replicaClient().Status(ctx, name); err == nil {
				mu.Lock()
				defer mu.Unlock()
				copies = append(copies, copying{name, s})
			}
		})
	}
	wg.Wait()
	slices.SortFunc(standings, func(a, b standing) int { return strings.Compare(a.server, b.server) })
	slices.SortFunc(copies, func(a, b copying) int { return strings.Compare(a.server, b.server) })
	r.standings, r.copies, r.asked = standings, copies, time.Now()
	return standings, copies
}

const (
	// diffFiles is how many changed files are compared for one answer, diffBytes how
	// many bytes of them are fetched from an agent, and diffAgents how many agents are
	// asked.
	diffFiles  = 500
	diffBytes  = 32 << 20
	diffAgents = 3
	// diffFile is how long a file may be to be compared, in bytes.
	diffFile = 1 << 20
	diffTime = 15 * time.Second
)

// contents fetches what is needed to compare the two sides of changes from agents, the
// given one first, as far as the bounds allow.
func (r *releases) contents(ctx context.Context, changes []release.Change, first string) map[release.Hash][]byte {
	ctx, cancel := context.WithTimeout(ctx, diffTime)
	defer cancel()
	var want []release.File
	left := int64(diffBytes)
	for _, c := range changes {
		for _, f := range []*release.File{c.Old, c.New} {
			if f != nil && f.Size <= min(diffFile, left) {
				want, left = append(want, *f), left-f.Size
			}
		}
	}
	got := make(map[release.Hash][]byte)
	agents := others(r.node, gossip.KindAgent)
	if i := slices.Index(agents, first); i > 0 {
		agents[0], agents[i] = agents[i], agents[0]
	}
	for _, name := range agents[:min(len(agents), diffAgents)] {
		want = slices.DeleteFunc(want, func(f release.File) bool { _, ok := got[f.SHA256]; return ok })
		if len(want) == 0 {
			break
		}
		// What one agent does not have or can't send, another may.
		_ = r.client().Blobs(ctx, name, want, func(in io.Reader, h release.Hash, size int64) error {
			b, err := io.ReadAll(io.LimitReader(in, size+1))
			if err != nil {
				return err
			}
			if int64(len(b)) != size || release.Hash(sha256.Sum256(b)) != h {
				return fmt.Errorf("blob %s has another content", h)
			}
			got[h] = b
			return nil
		})
	}
	return got
}

// opener opens what contents has fetched, as textdiff wants it.
func opener(got map[release.Hash][]byte) func(release.Hash) (io.ReadCloser, error) {
	return func(h release.Hash) (io.ReadCloser, error) {
		b, ok := got[h]
		if !ok {
			return nil, fmt.Errorf("open blob %s: %w", h, fs.ErrNotExist)
		}
		return io.NopCloser(bytes.NewReader(b)), nil
	}
}

// handler answers what other nodes ask of releases.
func (r *releases) handler() http.Handler { return api.BoosterHandler(r, gossip.Sender) }

// changing reports whether the server works on a request that may change its files.
func changing(server string) bool {
	now, found := time.Now(), false
	pools.Range(func(_, value any) bool {
		p, ok := value.(*pool)
		found = found || ok && p.fleet.Balancer().Changing(now, server)
		return !found
	})
	return found
}
