package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/omflow"
	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/rollout"
	"github.com/omflow/booster/internal/supervise"
)

const (
	// applyTime bounds the preparation of a release; what is begun then is finished.
	applyTime = 2 * time.Minute
	// refusedTime is how long a release that could not be applied is left alone, as
	// long as the coordinator leaves the server alone.
	refusedTime = time.Minute
	// orphanTime is how long a cluster without any release waits for its lead server
	// to publish the first one, before another server does: the lead may have no
	// patch folder, or none may be known.
	orphanTime = time.Minute
)

// patches is what a monitor needs of a folder that is kept the same; *patch.Member is
// one.
type patches interface {
	State() patch.State
	Heard(release.Ref)
	Prepare(ctx context.Context, number uint64) error
	Apply(ctx context.Context, number uint64) error
	Close() error
}

// patching is a server's patch folder. All but the atomic fields belong to the
// monitor's goroutine.
type patching struct {
	patches
	conf Patch // in force
	news chan struct{}
	to   atomic.Pointer[patch.Peers]
	log  *slog.Logger

	lead  atomic.Bool // the server's process is the lead
	first atomic.Bool // this folder may become the first release
	empty time.Time   // since when the cluster is known to have no release

	refused   uint64 // the release that was last not applied
	refusedAt time.Time
}

// openPatch opens a patch folder. Tests open something else.
type openPatch func(patch.Config) (patches, error)

func openMember(cfg patch.Config) (patches, error) {
	m, err := patch.New(cfg)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// newPatching begins to keep the folder in s the same.
func newPatching(name, dir string, s *settings) (*patching, error) {
	p := &patching{conf: *s.patch, news: make(chan struct{}, 1), log: s.log.With("server", name)}
	p.setCluster(s.to)
	cfg := patch.Config{
		Root: s.patch.Folder, StateDir: filepath.Join(dir, "patch"), Node: name,
		Rules:  s.patch.rules(s.home),
		Settle: time.Duration(s.patch.Settle), MaxSettle: time.Duration(s.patch.MaxSettle),
		Keep: s.patch.Keep, Manual: s.patch.Approve == approveManual,
		Peers: (*peers)(&p.to), First: p.first.Load, Changed: p.changed, Logger: p.log,
	}
	if s.patch.isHome(s.home) {
		cfg.Check, cfg.Exact = omflow.CheckRelease, omflow.MustBePublished
		cfg.Deployed = func(paths []string) bool { return p.lead.Load() && omflow.IsDeploy(paths) }
	}
	var err error
	if p.patches, err = s.openPatch(cfg); err != nil {
		return nil, fmt.Errorf("patch: %w", err)
	}
	return p, nil
}

func (p *patching) changed() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *patching) setCluster(to cluster) {
	releases := to.Releases()
	p.to.Store(&releases)
}

// samePatch reports whether two settings want the same of a folder.
func samePatch(a, b *settings) bool {
	if a.patch == nil || b.patch == nil {
		return a.patch == nil && b.patch == nil
	}
	x, y := *a.patch, *b.patch
	same := slices.Equal(x.Include, y.Include) && slices.Equal(x.Exclude, y.Exclude) && slices.Equal(x.OnChangeRun, y.OnChangeRun)
	return same && a.home == b.home && x.Folder == y.Folder && x.Settle == y.Settle && x.MaxSettle == y.MaxSettle &&
		x.OnChange == y.OnChange && x.Approve == y.Approve && x.Keep == y.Keep
}

// setPatch puts a patch folder in force, or none.
func (m *monitor) setPatch(former, s *settings) error {
	if former != nil && samePatch(former, s) && (m.patch != nil) == (s.patch != nil) {
		if m.patch != nil {
			m.patch.setCluster(s.to)
		}
		return nil
	}
	m.endPatch()
	if s.patch == nil {
		return nil
	}
	p, err := newPatching(m.name, m.dir, s)
	if err != nil {
		return err
	}
	m.patch = p
	if member, ok := p.patches.(*patch.Member); ok {
		h := serveReleases(member)
		m.releases.Store(&h)
	}
	return nil
}

// endPatch lets go of the patch folder.
func (m *monitor) endPatch() {
	if m.patch == nil {
		return
	}
	m.finish() // it may be applying a release
	m.releases.Store(nil)
	if err := m.patch.Close(); err != nil {
		m.patch.log.Warn("the patch folder was not closed as planned", "error", err)
	}
	m.patch = nil
}

// patchNews tells that a booster should hear of the patch folder.
func (m *monitor) patchNews() <-chan struct{} {
	if m.patch == nil {
		return nil
	}
	return m.patch.news
}

// fillPatch tells a booster how the patch folder stands.
func (m *monitor) fillPatch(ask *rollout.Ask) {
	if m.patch == nil {
		return
	}
	s := m.patch.State()
	if !s.Applied.IsZero() {
		ask.Release, ask.ReleaseHash = s.Applied.Number, s.Applied.Hash.String()
	}
	if m.patch.restarts() && m.process.State == supervise.Running && m.process.Since.Before(s.Restored) {
		// Its files are that release again, but it may have seen that they were gone. A
		// server that has not the release is restarted in its turn.
		ask.ReleaseHash = ""
	}
	ask.Staged, ask.Pending, ask.Trouble = s.Staged.Number, s.Pending > 0, bound(s.Trouble)
}

// patchHeard takes what a booster's answer says of releases.
func (m *monitor) patchHeard(now time.Time, answer rollout.Answer) {
	p := m.patch
	if p == nil || answer.Term < m.part.tenant.Term() {
		return
	}
	head := release.Ref{Number: answer.Head}
	if answer.Head != 0 {
		hash, err := release.ParseHash(answer.HeadHash)
		if err != nil {
			m.log.Warn("a booster names its newest release wrongly", "error", err)
			return
		}
		head.Hash = hash
		p.empty = time.Time{}
	} else if p.empty.IsZero() {
		p.empty = now
	}
	p.lead.Store(m.part.as == rollout.Lead)
	orphan := !p.empty.IsZero() && now.Sub(p.empty) > orphanTime
	p.first.Store(m.absent() == "" && (m.part.as == rollout.Lead || m.cur.home == "" || !m.runs() || orphan))
	p.Heard(head)
}

// toApply is the release that should be applied now, or 0.
func (m *monitor) toApply(now time.Time, want rollout.Want) uint64 {
	p := m.patch
	if p == nil || want.Apply == 0 || p.refused == want.Apply && now.Sub(p.refusedAt) < refusedTime {
		return 0
	}
	applied := p.State().Applied
	if applied.Number != want.Apply || want.Apply == want.Head && applied.Hash.String() != want.HeadHash {
		return want.Apply
	}
	return 0
}

// patchGate says why the server must not be started on its files, or "".
func (m *monitor) patchGate() string {
	if m.patch == nil {
		if m.cur != nil && m.cur.patch != nil { // later settings were refused halfway
			return "it is not started while its patch folder is not open"
		}
		return ""
	}
	if s := m.patch.State(); s.Blocked != "" {
		return bound("it is not started on files that are no release: " + s.Blocked)
	}
	return ""
}

// applied takes note of how applying a release went. It is told from any goroutine.
func (m *monitor) applied(p *patching, number uint64, err error, then func()) {
	m.part.answers <- func() {
		if p.refused = 0; err != nil {
			p.refused, p.refusedAt = number, time.Now()
		}
		if then != nil {
			then()
		}
		m.askNow()
	}
}

// hear takes all that was answered by now.
func (m *monitor) hear() {
	for m.part != nil {
		select {
		case f := <-m.part.answers:
			f()
		default:
			return
		}
	}
}

// finish waits until what is being done is over. It takes the answers meanwhile: there is
// room for a few only, and what is being done may wait for some to give its own.
func (m *monitor) finish() {
	var answers <-chan func()
	if m.part != nil {
		answers = m.part.answers
	}
	for m.acting != nil {
		select {
		case f := <-answers:
			f()
		case <-m.acting:
			return // the monitor hears of it in its own turn
		}
	}
}

// applyStopped applies a release while there is no process.
func (m *monitor) applyStopped(ctx context.Context, number uint64) {
	p := m.patch
	m.log.Info("a release is applied before the server is started", "release", number)
	m.do("applying a release", func() error {
		err := p.put(ctx, number)
		m.applied(p, number, err, nil)
		return err
	})
}

// restarts reports whether the server is restarted for a release.
func (p *patching) restarts() bool {
	return p.conf.OnChange != onChangeNone && p.conf.OnChange != onChangeRun
}

// applyRunning carries out an order to bring the server to a release: it is stopped, to
// be started by play once the release is applied, or left running where the
// configuration says so. A release that can't be prepared leaves it as it is.
func (m *monitor) applyRunning(ctx context.Context, order, number uint64, grace time.Duration) {
	p := m.patch
	done := func() { m.part.tenant.Restarted(order) }
	if !p.restarts() {
		m.log.Info("a release is applied while the server runs", "release", number)
		m.do("applying a release", func() error {
			err := m.putAndRun(ctx, p, number)
			m.applied(p, number, err, done)
			return err
		})
		return
	}
	m.log.Info("server is stopped, to apply a release", "release", number)
	m.do("applying a release", func() error {
		pctx, cancel := context.WithTimeout(ctx, applyTime)
		defer cancel()
		if err := p.Prepare(pctx, number); err != nil {
			m.applied(p, number, err, done)
			return err
		}
		return m.sup.StopFast(ctx, grace)
	})
}

// applyElsewhere applies a release to a server that something else runs.
func (m *monitor) applyElsewhere(ctx context.Context) {
	if m.part == nil || m.patch == nil || m.patchGate() != "" {
		return
	}
	now := time.Now()
	number := m.toApply(now, m.part.tenant.Want(now))
	if number == 0 {
		return
	}
	p := m.patch
	m.log.Info("a release is applied", "release", number)
	m.do("applying a release", func() error {
		err := m.putAndRun(ctx, p, number)
		m.applied(p, number, err, nil)
		return err
	})
}

// put prepares and applies a release.
func (p *patching) put(ctx context.Context, number uint64) error {
	ctx, cancel := context.WithTimeout(ctx, applyTime)
	defer cancel()
	if err := p.Prepare(ctx, number); err != nil {
		return err
	}
	return p.Apply(ctx, number)
}

// serveReleases answers what other nodes ask of the patch folder.
func serveReleases(member *patch.Member) http.Handler {
	return api.AgentHandler(member, gossip.Sender)
}
