package watch

import (
	"os"
	"slices"
	"sync"
	"time"
)

// maxListed bounds the lists in a Status.
const maxListed = 100

// Status is a snapshot of a Watcher. Its slices must not be changed.
type Status struct {
	// Files, Bytes and Dirs count what is looked at.
	Files, Dirs int
	Bytes       int64
	// Watches is how many directories the system reports on.
	Watches int
	// Degraded says what is not seen, or seen later than it could be; else empty.
	Degraded string
	// Suspicious says why nothing is published until the files are back or
	// somebody confirms; else empty.
	Suspicious string
	// Finding is a short hash of what Suspicious tells, which files are gone above all,
	// so that [Watcher.ConfirmRemoval] confirms that and nothing else; empty when there
	// is nothing that could be confirmed.
	Finding string
	// Open are up to 100 changed files that are waited for because a process has
	// them open for writing.
	Open []string
	// Refused are up to 100 names which are not looked at, each with its reason,
	// as "path: reason"; RefusedCount is how many there are.
	Refused      []string
	RefusedCount int
	// Paused tells that nothing is published until Resume.
	Paused bool
	// LastScan is when the whole folder was last compared.
	LastScan time.Time
}

// board holds the latest Status, and which folder it is about.
type board struct {
	mu     sync.Mutex
	status Status
	known  os.FileInfo // nil: none was found yet
}

func (b *board) get() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

func (b *board) set(s Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = s
}

func (b *board) folder() os.FileInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.known
}

func (b *board) setFolder(known os.FileInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known = known
}

// listed returns the first of the names in order.
func listed(names []string) []string {
	slices.Sort(names)
	return slices.Clip(names[:min(len(names), maxListed)])
}
