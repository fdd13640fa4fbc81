//go:build unix

package agent

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/release/history"
)

// desks are boosters that answer at once, or not at all.
type desks struct {
	mu    sync.Mutex
	by    map[string]http.Handler // nil: it hangs
	asked []string
}

func (d *desks) do(ctx context.Context, name string, r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	h := d.by[name]
	d.asked = append(d.asked, name+r.URL.Path)
	d.mu.Unlock()
	if h == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r.WithContext(ctx))
	return rec.Result(), nil
}

func (d *desks) log() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	asked := d.asked
	d.asked = nil
	return asked
}

func (d *desks) numberers(names ...string) *numberers {
	return newNumberers(func() []string { return append([]string(nil), names...) }, api.Client{Do: d.do})
}

func patchOn(t *testing.T, parent *release.Manifest) *release.Manifest {
	t.Helper()
	m, err := release.New(parent, release.Draft{Kind: release.Patch, Origin: "s1", Time: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func deskOf(t *testing.T, active bool, knows ...*release.Manifest) http.Handler {
	t.Helper()
	log, err := history.Open(history.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	if _, err := log.Follow(knows, "test"); err != nil {
		t.Fatal(err)
	}
	sender := func(*http.Request) (name string, booster, ok bool) { return "s1", false, true }
	return api.BoosterHandler(&numberer{log, active}, sender)
}

// TestProposeBesideOneThatHangs: whatever the active booster answers is the answer, though
// another one hangs; and it alone is asked the next time.
func TestProposeBesideOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := patchOn(t, nil)
		two := patchOn(t, one)
		d := &desks{by: map[string]http.Handler{"a": nil, "b": deskOf(t, true, one)}}
		n := d.numberers("a", "b")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		var stale *history.StaleError
		if err := n.Propose(ctx, api.Proposal{Manifest: patchOn(t, two)}); !errors.As(err, &stale) {
			t.Errorf("a release that does not follow: %v", err)
		}
		synctest.Wait()
		d.log()
		if err := n.Propose(ctx, api.Proposal{Manifest: two}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if asked := d.log(); len(asked) != 1 {
			t.Errorf("asked %v", asked)
		}
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took %s", took)
		}
	})
}

// TestProposeTakenOver: the booster that was the active one hangs, or says that it is
// not any more; the other one is asked.
func TestProposeTakenOver(t *testing.T) {
	for name, then := range map[string]func(t *testing.T) http.Handler{
		"hangs":   func(*testing.T) http.Handler { return nil },
		"standby": func(t *testing.T) http.Handler { return deskOf(t, false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one := patchOn(t, nil)
				d := &desks{by: map[string]http.Handler{"a": deskOf(t, true), "b": deskOf(t, false)}}
				n := d.numberers("b", "a")
				if err := n.Propose(t.Context(), api.Proposal{Manifest: one}); err != nil {
					t.Fatal(err)
				}
				d.mu.Lock()
				d.by["a"], d.by["b"] = then(t), deskOf(t, true, one)
				d.mu.Unlock()
				begun := time.Now()
				if err := n.Propose(t.Context(), api.Proposal{Manifest: patchOn(t, one)}); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took > headStart {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// TestProposeToNobody: without an active booster the error says so, and why.
func TestProposeToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desks{by: map[string]http.Handler{"a": nil, "b": deskOf(t, false)}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := d.numberers("a", "b").Propose(ctx, api.Proposal{Manifest: patchOn(t, nil)})
		if !errors.Is(err, patch.ErrNoBooster) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := d.numberers().Propose(ctx, api.Proposal{Manifest: patchOn(t, nil)}); !errors.Is(err, patch.ErrNoBooster) {
			t.Errorf("without boosters: %v", err)
		}
	})
}

// TestChainBesideOneThatHangs: the longest sequence is taken, from whoever answers.
func TestChainBesideOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := patchOn(t, nil)
		two := patchOn(t, one)
		d := &desks{by: map[string]http.Handler{"a": nil, "b": deskOf(t, false, one), "c": deskOf(t, true, one, two)}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		chain, err := d.numberers("a", "b", "c").Chain(ctx, 0)
		if err != nil || len(chain) != 2 {
			t.Errorf("%d releases: %v", len(chain), err)
		}
		if took := time.Since(begun); took > askTime {
			t.Errorf("it took %s", took)
		}
		if _, err := d.numberers("a").Chain(ctx, 0); !errors.Is(err, patch.ErrNoBooster) {
			t.Errorf("from one that hangs: %v", err)
		}
	})
}
