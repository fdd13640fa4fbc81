package proxy

import "sync/atomic"

// allBodies bounds the memory of all bodies that wait, in bytes; past it they go
// to disk from smallBody on.
const allBodies = 256 << 20

// budget is memory that many bodies share.
type budget struct {
	most int64
	used atomic.Int64
}

// processBudget is one for the process, since its memory is.
var processBudget = &budget{most: allBodies}

// take reserves n bytes. It reports whether it did; when it must, it always does.
func (g *budget) take(n int64, must bool) bool {
	if g.used.Add(n) > g.most && !must {
		g.used.Add(-n)
		return false
	}
	return true
}

func (g *budget) give(n int64) { g.used.Add(-n) }
