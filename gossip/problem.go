package gossip

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Problem is something that an operator must put right.
type Problem struct {
	// Subject is what it is about: a node's name, or "marks".
	Subject string
	// Text says what is wrong and what to do.
	Text string
	// Since is when it was first seen and Last when it was last seen.
	Since, Last time.Time
}

// problemLife is how long a problem is shown after it was last seen. What
// persists is seen again at each state exchange.
const problemLife = 2 * time.Minute

// Keys under which problems are kept. Those about a name have it behind nameKey.
const (
	nameKey      = "name/"
	loadKey      = "marks/load"
	saveKey      = "marks/save"
	marksSubject = "marks"
)

// problems are what is wrong now. Their number is bounded by that of members.
type problems struct {
	mu sync.Mutex
	m  map[string]Problem
}

func newProblems() *problems { return &problems{m: make(map[string]Problem)} }

// see notes the problem that is kept under key, and says whether it is new.
func (p *problems) see(key, subject, text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	old, known := p.m[key]
	known = known && now.Sub(old.Last) < problemLife
	if !known && len(p.m) >= maxMembers {
		return false
	}
	since := now
	if known {
		since = old.Since
	}
	p.m[key] = Problem{Subject: subject, Text: text, Since: since, Last: now}
	return !known
}

// solved forgets the problem under key.
func (p *problems) solved(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.m, key)
}

// seenWithin says whether the problem under key was seen in the last d.
func (p *problems) seenWithin(key string, d time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	got, ok := p.m[key]
	return ok && time.Since(got.Last) < d
}

func (p *problems) list() []Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Problem
	for k, v := range p.m {
		if time.Since(v.Last) >= problemLife {
			delete(p.m, k)
			continue
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Problem) int { return cmp.Compare(a.Subject, b.Subject) })
	return out
}

// Problems returns what an operator must put right: nodes that share a name,
// marks that can't be kept on disk.
func (n *Node) Problems() []Problem { return n.problems.list() }
