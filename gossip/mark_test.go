package gossip

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
	"github.com/omflow/booster/internal/trust"
)

func (n *testNode) has(want map[string]string) func() bool {
	return func() bool { return maps.Equal(n.Marks(), want) }
}

func mark(t testing.TB, n *testNode, key, value string) {
	t.Helper()
	if err := n.SetMark(key, value); err != nil {
		t.Fatal(err)
	}
}

func TestMarksSpread(t *testing.T) {
	// Only gossip, no chance exchange, may be what spreads them.
	joining := func(addrs ...string) func(*Config) {
		return func(c *Config) { c.Join, c.timing.pushPull = addrs, time.Minute }
	}
	a := newNode(t, "booster-a", KindBooster, joining())
	b := newNode(t, "booster-b", KindBooster, joining(a.Addr()))
	together(t, a, b)
	mark(t, a, "before", "1")
	observe.Eventually(t, "a mark spreads", b.has(map[string]string{"before": "1"}))
	// A newcomer is told by the exchange at its join: by then gossip of it is over.
	observe.Eventually(t, "gossip is over", func() bool { return a.broadcasts.NumQueued()+b.broadcasts.NumQueued() == 0 })
	s := newNode(t, "s1", KindAgent, joining(a.Addr(), b.Addr()))
	together(t, a, b, s)
	var mu sync.Mutex
	var told []Mark
	observe.Eventually(t, "a newcomer learns what was there", s.has(map[string]string{"before": "1"}))
	defer s.SubscribeMarks(func(m Mark) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, m)
	})()
	mark(t, a, "drain/s1", "draining")
	for _, n := range []*testNode{a, b, s} {
		observe.Eventually(t, "the mark is everywhere", n.has(map[string]string{"before": "1", "drain/s1": "draining"}))
	}
	if v, ok := b.Mark("drain/s1"); v != "draining" || !ok {
		t.Error(v, ok)
	}
	if err := b.DeleteMark("drain/s1"); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*testNode{a, b, s} {
		observe.Eventually(t, "it is gone everywhere", n.has(map[string]string{"before": "1"}))
	}
	observe.Eventually(t, "subscribers were told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		last := Mark{}
		if len(told) > 0 {
			last = told[len(told)-1]
		}
		return last == Mark{Key: "drain/s1", Deleted: true, Writer: "booster-b"}
	})
	if err := a.SetMark("", "x"); err == nil {
		t.Error("an empty key is accepted")
	}
}

// Two boosters that can't reach each other are told different things; when the
// split heals both know both, and the later of two words on one thing.
func TestMarksConvergeAfterPartition(t *testing.T) {
	key, apart := keysOf(t, trust.Generate()), keysOf(t, trust.Generate())
	with := func(c *Config) { c.Keys = key }
	a := newNode(t, "booster-a", KindBooster, and(hasty, with))
	b := newNode(t, "booster-b", KindBooster, and(hasty, with, join(a.Addr())))
	together(t, a, b)
	mark(t, a, "both", "0")
	observe.Eventually(t, "b has it", b.has(map[string]string{"both": "0"}))

	cut := b.cfg
	cut.Keys = apart
	if err := b.Reconfigure(cut); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "they have lost each other", func() bool {
		return a.state("booster-b") == Dead && b.state("booster-a") == Dead
	})
	mark(t, a, "a", "1")
	mark(t, b, "b", "1")
	mark(t, a, "both", "first")
	mark(t, b, "both", "1")
	mark(t, b, "both", "2")
	mark(t, b, "both", "last")
	if _, ok := a.Mark("b"); ok {
		t.Fatal("the partition leaks")
	}
	if err := b.Reconfigure(b.cfg); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "1", "b": "1", "both": "last"}
	observe.Eventually(t, "a has all", a.has(want))
	observe.Eventually(t, "b has all", b.has(want))
	together(t, a, b)
}

func TestMarksSurviveRestart(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	a := newNode(t, "booster-a", KindBooster, func(c *Config) { c.StateDir = dirs[0] })
	b := newNode(t, "booster-b", KindBooster, func(c *Config) { c.StateDir, c.Join = dirs[1], []string{a.Addr()} })
	together(t, a, b)
	mark(t, a, "drain/s1", "draining")
	observe.Eventually(t, "b has it", b.has(map[string]string{"drain/s1": "draining"}))
	for _, n := range []*testNode{a, b} {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// a comes back alone and is told something newer; then b.
	a = newNode(t, "booster-a", KindBooster, func(c *Config) { c.StateDir = dirs[0] })
	if !a.has(map[string]string{"drain/s1": "draining"})() {
		t.Fatalf("after the restart: %v", a.Marks())
	}
	mark(t, a, "drain/s1", "maintenance")
	b = newNode(t, "booster-b", KindBooster, func(c *Config) { c.StateDir, c.Join = dirs[1], []string{a.Addr()} })
	observe.Eventually(t, "b learns the newer", b.has(map[string]string{"drain/s1": "maintenance"}))
	stays(t, "the older does not come back", 500*time.Millisecond, a.has(map[string]string{"drain/s1": "maintenance"}))

	// It is on disk without a regular end, too.
	observe.Eventually(t, "it is saved", func() bool {
		b, err := os.ReadFile(filepath.Join(dirs[1], "marks.json"))
		return err == nil && strings.Contains(string(b), "maintenance")
	})
}

// What is told and sent last is what the map has, however many write at once.
func TestMarksAreToldInOrder(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	b := newNode(t, "booster-b", KindBooster, func(c *Config) {
		c.Join, c.timing.pushPull, c.timing.joinAgain = []string{a.Addr()}, time.Hour, time.Hour // gossip only
	})
	together(t, a, b)
	var mu sync.Mutex
	told := make(map[string]string)
	defer a.SubscribeMarks(func(m Mark) {
		mu.Lock()
		defer mu.Unlock()
		told[m.Key] = m.Value
	})()
	for i := range 1000 {
		var writers sync.WaitGroup
		begin := make(chan struct{})
		for j := range 4 {
			writers.Go(func() {
				<-begin
				if err := a.SetMark(fmt.Sprint("k", i), fmt.Sprint(j)); err != nil {
					t.Error(err)
				}
			})
		}
		close(begin)
		writers.Wait()
	}
	all := a.Marks()
	observe.Eventually(t, "all are told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(told) == len(all)
	})
	observe.Eventually(t, "the last of each is told last", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return maps.Equal(told, all)
	})
	observe.Eventually(t, "the other node has the last of each", b.has(all))
}

func TestUnusableStateDirIsAProblem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	a := newNode(t, "booster-a", KindBooster, func(c *Config) { c.StateDir = dir })
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mark(t, a, "x", "1")
	observe.Eventually(t, "the problem is shown", func() bool {
		p := a.Problems()
		return len(p) == 1 && p[0].Subject == "marks" && strings.Contains(p[0].Text, dir)
	})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	observe.Eventually(t, "it is solved by itself", func() bool { return a.Problems() == nil })
	if lines := a.log.lines("level=ERROR"); len(lines) != 1 {
		t.Errorf("logged %q", lines)
	}
}

func TestMarksOfPeersAreChecked(t *testing.T) {
	a := newNode(t, "booster-a", KindBooster, nil)
	b := newNode(t, "s1", KindAgent, join(a.Addr()))
	together(t, a, b)
	mark(t, a, "x", "1")
	m, _ := b.members.get("booster-a")
	for _, bad := range []string{"", "\x01", "\x02\x00\x00", "\x01\x00\xff\xff\xff\xff\x0f", strings.Repeat("\x01", 1000)} {
		for _, node := range b.list.Members() {
			if node.Name != m.Name {
				continue
			}
			if err := b.list.SendReliable(node, append([]byte(bad), 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	observe.Eventually(t, "they are counted", func() bool { return a.Metrics().MarksRefused == 5 })
	if !a.has(map[string]string{"x": "1"})() {
		t.Error(a.Marks())
	}
}
