package patch

import (
	"slices"

	"github.com/omflow/booster/internal/release"
)

// announced is what a peer told of.
type announced struct {
	from  string
	chain []*release.Manifest
}

// Announced takes note of numbered releases that the node of that name told of, and
// returns at once. Nothing is applied for it.
func (m *Member) Announced(from string, chain []*release.Manifest) {
	m.mu.Lock()
	m.announce = newestNews(append(m.announce, announced{from, chain}))
	m.mu.Unlock()
	poke(m.news)
}

// newestNews drops the oldest of too many announcements; the last one always stays.
func newestNews(all []announced) []announced {
	files := 0
	for i, a := range slices.Backward(all) {
		for _, r := range a.chain {
			files += len(r.Files) + len(r.Deleted)
		}
		if n := len(all) - i; n > maxNews || n > 1 && files > maxNewsFiles {
			return slices.Delete(all, 0, i+1)
		}
	}
	return all
}

// Heard takes note of the newest release as the active booster says, zero for none. It
// is to be called with each of its answers.
func (m *Member) Heard(head release.Ref) {
	m.mu.Lock()
	waits := m.waits.why != ""
	m.heard, m.asked = head, true
	news := m.confirmed != head
	m.mu.Unlock()
	if waits {
		poke(m.attempt)
	}
	if news {
		poke(m.news)
	}
}
