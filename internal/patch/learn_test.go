package patch

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/testbed/observe"
)

// askedPeers counts how often the booster is asked for releases.
type askedPeers struct {
	Peers
	asked atomic.Int32
}

func (p *askedPeers) Chain(ctx context.Context, after uint64) ([]*release.Manifest, error) {
	p.asked.Add(1)
	return p.Peers.Chain(ctx, after)
}

// TestLearn: a release of which the booster tells before its origin does is taken from the
// origin, and from the booster when the origin does not tell of it.
func TestLearn(t *testing.T) {
	for name, tells := range map[string]bool{"the origin tells of it": true, "it does not": false} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			files := content{"a": "1", "b": "1"}
			s1 := c.add("s1", files, nil)
			var peers askedPeers
			s2 := c.add("s2", files, func(cfg *Config) { peers.Peers, cfg.Peers = cfg.Peers, &peers })
			c.wait("release 1 to be noted on both", func() bool {
				return c.head().Number == 1 && s1.State().Applied == c.head() && s2.State().Applied == c.head()
			})
			for number := uint64(1); number < 100; number++ {
				head, err := c.booster.Get(number)
				if err != nil {
					t.Fatal(err)
				}
				next, err := release.New(head, release.Draft{Kind: release.Patch, Origin: "s1", Time: time.Now(), Files: head.Files})
				if err != nil {
					t.Fatal(err)
				}
				before := peers.asked.Load()
				if err := c.booster.Propose(next, "s1"); err != nil {
					t.Fatal(err)
				}
				s2.Heard(next.Ref())
				heard := time.Now()
				observe.Eventually(t, "it looks", func() bool { return len(s2.news) == 0 })
				time.Sleep(newsTime / 10) // the origin takes so long to send it
				if tells {
					s2.Announced("s1", []*release.Manifest{next})
				}
				observe.Eventually(t, "it has the release", func() bool { return s2.Head() == next.Ref() })
				// On a slow machine it may be too late for that.
				if late := time.Since(heard) > newsTime; tells && late {
					c.allStaged()
					continue
				}
				c.allStaged()
				if asked := peers.asked.Load() - before; (asked == 0) != tells {
					t.Errorf("the booster was asked %d times", asked)
				}
				return
			}
			t.Skip("this machine is too slow for it")
		})
	}
}
