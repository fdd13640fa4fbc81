package sequence

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
)

// TestCutOff: two boosters that were cut off from each other have given out the same
// numbers. The longer sequence wins, and the other booster follows.
func TestCutOff(t *testing.T) {
	for _, tt := range []struct {
		name string
		more string // the side with more releases
		lead string // who is the active one afterwards
	}{
		{"the active one has more", "a", "a"},
		{"the active one has less", "b", "a"},
		{"the one that took over has more", "b", "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, a, b := pair(t)
				one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
				c.cut(1, "b")
				c.elect(b, 2)
				settle()
				for _, m := range []*member{a, b} {
					last := one
					for i := range 3 {
						if i < 2 || tt.more == m.name {
							last = c.must(m, c.make(last, "s1", m.name+last.Ref().String()), api.Proposal{})
						}
					}
				}
				winner, loser := a, b
				if tt.more == "b" {
					winner, loser = b, a
				}
				head, gone := winner.Head(), loser.Head()
				c.heal()
				c.elect(c.nodes[tt.lead], 3)
				settle()
				for _, m := range []*member{a, b} {
					if m.Head() != head {
						t.Errorf("booster %s has %s, not %s", m.name, m.Head(), head)
					}
				}
				if got := c.nodes[tt.lead].Releases().Target().Number; got != head.Number {
					t.Errorf("target %d", got)
				}
				if ref, _ := loser.chain.Ref(gone.Number); ref == gone {
					t.Errorf("booster %s has both", loser.name)
				}
			})
		})
	}
}

// TestWiped: a booster whose log is old or gone takes over what agents have before it
// names a target or gives out a number.
func TestWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		all := c.chain(30, "s1")
		c.agent("s1", all...)
		c.agent("s2", all[:12]...)
		c.agent("s3")
		a := c.booster("a", t.TempDir(), nil)
		if _, err := a.chain.Follow(all[:3], "test"); err != nil { // an old backup
			t.Fatal(err)
		}
		c.elect(a, 1)
		if err := c.propose(a, c.make(all[2], "s3", "x"), api.Proposal{}); err == nil {
			t.Error("a number was given out before the sequences were compared")
		}
		settle()
		if a.Head() != all[29].Ref() {
			t.Fatalf("head %s", a.Head())
		}
		var stale *history.StaleError
		if err := c.propose(a, c.make(nil, "s3", "x"), api.Proposal{}); !errors.As(err, &stale) {
			t.Errorf("a second first release: %v", err)
		}
		c.must(a, c.make(all[29], "s3", "x"), api.Proposal{})
	})
}

// TestTie: of two sequences of one length the one counts that more nodes have, and the
// booster's own while it is the active one.
func TestTie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		one := c.make(nil, "s1", "1")
		here, there := c.make(one, "s1", "here"), c.make(one, "s2", "there")
		c.agent("s1", one, there)
		c.agent("s2", one, there)
		a := c.booster("a", t.TempDir(), nil)
		if _, err := a.chain.Follow([]*release.Manifest{one, here}, "test"); err != nil {
			t.Fatal(err)
		}
		a.renew()
		c.elect(a, 1)
		settle()
		if a.Head() != there.Ref() {
			t.Errorf("took over with %s", a.Head())
		}
		for _, name := range []string{"s3", "s4", "s5", "s6"} {
			c.agent(name, one, here)
		}
		settle()
		if a.Head() != there.Ref() {
			t.Errorf("dropped its own for %s", a.Head())
		}
	})
}

// TestSaw: while a server has a newer release than this booster knows, nothing is
// rolled out, until it is known or nobody can send it.
func TestSaw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, _ := pair(t)
		all := c.chain(5, "s1")
		for _, m := range all[:3] {
			c.must(a, m, api.Proposal{})
		}
		saw := func(m *release.Manifest) { a.Saw(m.Number, m.Hash().String()) }
		// Whoever holds work keeps Run from looking for a release.
		hold := func() {
			if err := a.begin(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		saw(all[2])
		c.want(a, 3, "3")
		hold()
		saw(all[4])
		c.want(a, 0, "")
		a.Sequencer.end()
		settle()
		c.want(a, 3, "3") // nobody has it
		saw(all[4])
		c.want(a, 3, "3") // and that is known for a while
		time.Sleep(compareTime)
		hold()
		c.agent("s1", all...)
		saw(all[4])
		c.want(a, 0, "")
		a.Sequencer.end()
		settle()
		if a.Head() != all[4].Ref() {
			t.Errorf("head %s", a.Head())
		}
		a.Saw(0, "")
		a.Saw(9, "no hash")
		if !a.Status().Ready {
			t.Error("nonsense stops it")
		}
		// What is seen while the sequences are compared keeps them from being settled.
		seven := release.Ref{Number: 7, Hash: sum("seven")}
		a.mu.Lock()
		a.unknown[seven] = time.Time{}
		a.mu.Unlock()
		if a.settle(1, 1, nil) || a.Status().Ready {
			t.Error("a release that nobody was asked for is forgotten")
		}
		if !a.settle(1, 1, map[release.Ref]bool{seven: true}) {
			t.Error("a release that nobody has holds everything up")
		}
	})
}

// TestAhead: an agent that proposes on a release that this booster does not know makes
// it look for that.
func TestAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, _ := pair(t)
		all := c.chain(4, "s1")
		c.must(a, all[0], api.Proposal{})
		c.setDown(a, true) // so that it hears of no new node, and does not ask this one
		c.agent("s1", all[:3]...)
		c.setDown(a, false)
		if err := c.propose(a, all[3], api.Proposal{}); err == nil {
			t.Error("taken")
		}
		settle()
		c.must(a, all[3], api.Proposal{})
	})
}

// TestHostileSequences: what a node only claims to have changes nothing, and what this
// booster has is not dropped for half of a sequence.
func TestHostileSequences(t *testing.T) {
	c0 := newCluster(t)
	own := c0.chain(3, "s1")
	other := func(n int) []*release.Manifest {
		out := []*release.Manifest{c0.make(nil, "s2", "other")}
		for range n - 1 {
			out = append(out, c0.make(out[len(out)-1], "s2", out[len(out)-1].Ref().String()))
		}
		return out
	}
	long := other(5)
	for _, tt := range []struct {
		name string
		head release.Ref
		has  []*release.Manifest
	}{
		{"nothing of it", long[4].Ref(), nil},
		{"only the beginning", long[4].Ref(), long[:4]},
		{"a gap", long[4].Ref(), []*release.Manifest{long[0], long[1], long[3], long[4]}},
		{"another end", release.Ref{Number: 1 << 60, Hash: sum("x")}, long},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				liar := c.agent("s2")
				liar.handler = api.AgentHandler(claims{head: tt.head, has: tt.has}, peer)
				a := c.booster("a", t.TempDir(), nil)
				if _, err := a.chain.Follow(own, "test"); err != nil {
					t.Fatal(err)
				}
				a.renew()
				c.elect(a, 1)
				settle()
				if a.Head() != own[2].Ref() || len(a.List()) != 3 {
					t.Errorf("head %s of %d", a.Head(), len(a.List()))
				}
				if !a.Status().Ready {
					t.Error("it holds everything up")
				}
			})
		})
	}
}

// claims is an agent that does not have what it says.
type claims struct {
	agentChain
	head release.Ref
	has  []*release.Manifest
}

func (c claims) Head() release.Ref { return c.head }

func (c claims) List() (out []history.Entry) {
	for i := range c.has {
		out = append(out, history.Entry{Ref: c.has[len(c.has)-1-i].Ref()})
	}
	return out
}

func (c claims) Get(number uint64) (*release.Manifest, error) {
	for _, m := range c.has {
		if m.Number == number {
			return m, nil
		}
	}
	return nil, history.ErrUnknown
}

// TestSilentNodes: nodes that do not answer don't keep a booster from its work.
func TestSilentNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		s := c.agent("s1")
		s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		a := c.booster("a", t.TempDir(), nil)
		c.elect(a, 1)
		time.Sleep(2 * (gatherTime + callTime))
		synctest.Wait()
		c.must(a, c.make(nil, "s2", "1"), api.Proposal{})
	})
}

// TestMarks: a mark counts for the release that it names by its hash, and for no other
// of that number.
func TestMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, a, _ := pair(t)
		one := c.must(a, c.make(nil, "s1", "1"), api.Proposal{})
		two := c.must(a, c.make(one, "s1", "2"), api.Proposal{Manual: true})
		other := release.Ref{Number: 2, Hash: sum("other")}
		for key, value := range map[string]string{
			approvedKey:         markRef(other),
			quarantineKey + "1": markRef(other) + " of another sequence",
			quarantineKey + "2": markRef(two.Ref()),
			quarantineKey + "3": "nonsense",
		} {
			if err := c.setMark(a, key, stamped{value: value}); err != nil {
				t.Fatal(err)
			}
		}
		a.Joined()
		settle()
		c.want(a, 1, "1")
		if err := c.setMark(a, quarantineKey+"1", stamped{value: markRef(one.Ref()) + " it fell over"}); err != nil {
			t.Fatal(err)
		}
		a.Joined()
		settle()
		c.want(a, 0, "")
		if got := a.chain.QuarantineReason(one.Ref()); got != "it fell over" {
			t.Errorf("reason %q", got)
		}
	})
}

// FuzzParseRef: a release has one name in a mark.
func FuzzParseRef(f *testing.F) {
	f.Add("3-" + sum("x").String())
	f.Add("03-" + sum("x").String())
	f.Fuzz(func(t *testing.T, s string) {
		if ref, err := parseRef(s); err == nil && markRef(ref) != s {
			t.Errorf("%q is read as %s", s, markRef(ref))
		}
	})
}
