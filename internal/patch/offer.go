package patch

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/store"
	"github.com/omflow/booster/internal/watch"
)

const (
	// offerFrom is the size, in bytes, from which on a content is offered before its
	// release has a number. Less has come as soon as that has.
	offerFrom = 1 << 20
	// maxOffers is how many offers may wait, each way. What is over it is fetched when
	// its release is there.
	maxOffers = 4
	// maxSpare is how many contents stay that were fetched on an offer and that no
	// release has named yet.
	maxSpare = 4
	// offerTime is how long what is offered may take to come; a release waits for it no
	// longer than that before it is fetched like any other.
	offerTime = time.Minute
	// spareRoom is how much of the disk what is fetched on an offer leaves free, in
	// bytes: nobody may need it.
	spareRoom = 1 << 30
)

// offered is what a peer offered.
type offered struct {
	from  string
	files []release.File // without paths
}

// offering is an Intake of a content that is offered to the other agents as soon as its
// hash is known.
type offering struct {
	*store.Intake
	size  int64
	offer func(api.Content)
}

// Keep implements watch.Copy.
func (o offering) Keep() [32]byte {
	sum := o.Intake.Keep()
	o.offer(api.Content{SHA256: sum, Size: o.size})
	return sum
}

// intake has the store take in what the watcher reads.
func (m *Member) intake(size int64) watch.Copy {
	in := m.blobs.Take(size)
	switch {
	case in == nil:
		return nil
	case size < offerFrom, runtime.GOOS == "windows": // what is open there can't be renamed into the store
		return in
	}
	return offering{in, size, func(c api.Content) {
		select {
		case m.offers <- c:
		default:
		}
	}}
}

// tellOffers offers contents to the other agents until ctx ends. Before the first
// release they have no use for them.
func (m *Member) tellOffers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-m.offers:
			m.mu.Lock()
			first := m.holds().m == nil
			m.mu.Unlock()
			if first {
				continue
			}
			cctx, cancel := context.WithTimeout(ctx, callTime)
			m.cfg.Peers.Offer(cctx, c)
			cancel()
		}
	}
}

// Offered takes note of contents that the agent of that name has and that a release may
// soon name, and returns at once. They are fetched into the store, and go again unless
// one does.
func (m *Member) Offered(from string, contents []api.Content) {
	o := offered{from: from}
	most := cmp.Or(m.cfg.MaxFileSize, watch.DefaultMaxFileSize)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range contents {
		there := func(f release.File) bool { return f.SHA256 == c.SHA256 }
		if c.Size > most || m.coming[c.SHA256] != nil || slices.ContainsFunc(o.files, there) {
			continue
		}
		if o.files = append(o.files, release.File{SHA256: c.SHA256, Size: c.Size}); len(o.files) == maxSpare {
			break
		}
	}
	if len(o.files) == 0 {
		return
	}
	select {
	case m.offered <- o:
		for _, f := range o.files {
			m.coming[f.SHA256] = make(chan struct{})
		}
	default:
	}
}

// takeOffers fetches what is offered until ctx ends.
func (m *Member) takeOffers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-m.offered:
			var came []release.Hash
			if m.dropSpare() {
				came = m.takeOffer(ctx, o)
			}
			m.mu.Lock()
			m.spare = append(m.spare, came...)
			m.mu.Unlock()
			m.dropSpare()
			m.mu.Lock()
			for _, f := range o.files {
				close(m.coming[f.SHA256])
				delete(m.coming, f.SHA256)
			}
			m.mu.Unlock()
		}
	}
}

// takeOffer fetches what is offered, and returns what has come. It gives up where fetch
// would try again: that is for the release.
func (m *Member) takeOffer(ctx context.Context, o offered) (came []release.Hash) {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	m.pins.RLock()
	defer m.pins.RUnlock()
	begun := m.blobs.Missing(o.files)
	if err := m.roomBeside(begun, spareRoom); err != nil {
		return nil
	}
	left := begun
	for until := time.Now().Add(fetchPatience); len(left) > 0 && time.Now().Before(until); {
		busy := false
		for _, agent := range m.sources(o.from) {
			err := m.fetchFrom(ctx, agent, left)
			busy = busy || errors.Is(err, api.ErrBusy)
			if left = m.blobs.Missing(left); len(left) == 0 {
				break
			}
		}
		if !busy || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(fetchAgain/2 + rand.N(fetchAgain)):
		}
	}
	for _, f := range begun {
		if !slices.ContainsFunc(left, func(l release.File) bool { return l.SHA256 == f.SHA256 }) {
			came = append(came, f.SHA256)
		}
	}
	return came
}

// named waits for the contents of a release that are being fetched on an offer, and takes
// them out of those that nobody needs.
func (m *Member) named(ctx context.Context, target *release.Manifest) error {
	m.mu.Lock()
	quiet := len(m.coming) == 0 && len(m.spare) == 0
	m.mu.Unlock()
	if quiet {
		return nil
	}
	names := make(map[release.Hash]bool, len(target.Files))
	for _, f := range target.Files {
		names[f.SHA256] = true
	}
	m.mu.Lock()
	var coming []<-chan struct{}
	for h, done := range m.coming {
		if names[h] {
			coming = append(coming, done)
		}
	}
	m.mu.Unlock()
	late := time.After(offerTime)
	for _, done := range coming {
		select {
		case <-done:
		case <-late:
			return nil // it is fetched twice rather than waited for; see dropSpare
		case <-ctx.Done():
			return ctx.Err()
		case <-m.life.Done(): // it may have had no turn
			return m.life.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spare = slices.DeleteFunc(m.spare, func(h release.Hash) bool { return names[h] })
	return nil
}

// dropSpare removes the oldest of too many contents that were fetched on offers and that
// no release has named. It reports false when there are too many still: something is
// under way that may need them.
func (m *Member) dropSpare() bool {
	m.mu.Lock()
	over := len(m.spare) - maxSpare
	m.mu.Unlock()
	if over <= 0 {
		return true
	}
	if !m.pins.TryLock() {
		return false
	}
	defer m.pins.Unlock()
	// A content may have come on an offer and for a release at the same time, or be in one
	// of this server's own by now.
	needed, err := m.needed()
	if err != nil {
		m.log.Warn("it is not known which contents the releases need, and nothing is fetched on offers", "error", err)
		return false
	}
	m.mu.Lock()
	m.spare = slices.DeleteFunc(m.spare, func(h release.Hash) bool { return needed[h] })
	over = max(0, len(m.spare)-maxSpare)
	drop := slices.Clone(m.spare[:over])
	m.spare = slices.Delete(m.spare, 0, over)
	m.mu.Unlock()
	for _, h := range drop {
		if err := m.blobs.Drop(h); err != nil {
			m.log.Warn("a content that nobody needs stays", "error", err)
		}
	}
	return true
}
