package patch

import (
	"context"
	"errors"

	"github.com/omflow/booster/internal/release"
)

// mend gets the releases of the sequence again whose files were found to be damaged or
// gone here, and reports whether it got one: nothing can be published or followed on
// top of the newest one without it. told are those whose loss was logged.
func (m *Member) mend(ctx context.Context, told map[release.Ref]bool) (mended bool) {
	for _, ref := range m.releases.Unreadable() {
		err := m.mendOne(ctx, ref)
		if ctx.Err() != nil {
			return mended
		}
		if err == nil {
			mended = true
		} else if !told[ref] {
			told[ref] = true
			m.log.Warn("no other node sends a release that can't be read here; they are asked again", "release", ref, "error", err)
		}
	}
	if mended {
		poke(m.attempt)
	}
	return mended
}

func (m *Member) mendOne(ctx context.Context, ref release.Ref) error {
	m.mu.Lock()
	here := []known{m.ground}
	if m.folder != nil {
		here = append(here, m.folder.applied)
	}
	m.mu.Unlock()
	for _, k := range here {
		if k.m != nil && k.ref == ref {
			return m.releases.Mend(k.m, "this server")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	found, err := m.cfg.Peers.Release(ctx, ref)
	if err != nil {
		return err
	}
	if found.Ref() != ref {
		return errors.New("another release came")
	}
	return m.releases.Mend(found, "another node")
}

// maxRotten bounds the contents that are fetched anew at a time; what is over it is
// fetched when it is needed.
const maxRotten = 1000

// damaged takes note of a content that the store had and the disk has damaged.
func (m *Member) damaged(h release.Hash) {
	m.mu.Lock()
	if len(m.rotten) < maxRotten {
		m.rotten = append(m.rotten, h)
	}
	m.mu.Unlock()
	poke(m.news)
}

// replace gets contents anew that the disk has damaged: from the folder, or from peers.
// What nobody has now is fetched when it is needed.
func (m *Member) replace(ctx context.Context) {
	m.mu.Lock()
	rotten := m.rotten
	m.rotten = nil
	m.mu.Unlock()
	if len(rotten) == 0 {
		return
	}
	wanted := make(map[release.Hash]bool)
	for _, h := range rotten {
		wanted[h] = true
	}
	var files []release.File
	for r := range m.releases.All() {
		for _, f := range r.Files {
			if wanted[f.SHA256] {
				delete(wanted, f.SHA256)
				files = append(files, f)
			}
		}
	}
	m.pins.RLock()
	defer m.pins.RUnlock()
	m.storeAgain(files)
	err := m.fetch(ctx, "", m.blobs.Missing(files))
	switch {
	case ctx.Err() != nil: // it gave way
		m.mu.Lock()
		m.rotten = append(rotten, m.rotten...)
		m.mu.Unlock()
		poke(m.news)
	case err != nil:
		m.log.Warn("contents that the disk has damaged can't be fetched anew; that is tried again when they are needed", "error", err)
	default:
		m.log.Info("contents that the disk had damaged are here again", "contents", len(files))
	}
}

// storeAgain stores contents that the folder has. What can't be stored comes from a peer.
func (m *Member) storeAgain(files []release.File) {
	m.mu.Lock()
	f, holds := m.folder, m.holds()
	m.mu.Unlock()
	if f == nil || holds.m == nil {
		return
	}
	batch := m.blobs.NewBatch()
	defer batch.Abort()
	for _, file := range files {
		for _, here := range holds.m.Files {
			if here.SHA256 == file.SHA256 && batch.PutFile(f.root, here.Path, here.SHA256, here.Size) == nil {
				break
			}
		}
	}
	if err := batch.Commit(); err != nil {
		m.log.Warn("contents that the disk has damaged can't be taken from the folder", "error", err)
	}
}
