package apply

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/omflow/booster/internal/release"
)

// randomFiles makes a release's files of few names and contents, so that names
// often change between file, folder, another content, another mode and nothing.
func randomFiles(r *rand.Rand) content {
	names := []string{"a", "a/b", "a/b/c.py", "a/d", "e", "e/f.py", "E", "g.py", "g.py/h", "i/j/k/l"}
	texts := []string{"1", "1+x", "2", ""}
	out := content{}
	for _, name := range names {
		if r.IntN(2) == 0 {
			continue
		}
		d := release.Draft{Kind: release.Patch, Origin: "s", Time: epoch}
		for path := range out {
			d.Files = append(d.Files, release.File{Path: path, SHA256: release.Hash{1}})
		}
		d.Files = append(d.Files, release.File{Path: name, SHA256: release.Hash{1}})
		if _, err := release.New(nil, d); err == nil { // no name is in another's way
			out[name] = texts[r.IntN(len(texts))]
		}
	}
	return out
}

// TestRandomFaults applies random releases on random ones with up to three
// random faults.
func TestRandomFaults(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 40
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomFault(t, rand.New(rand.NewPCG(1, uint64(seed)))) })
	}
}

func randomFault(t *testing.T, r *rand.Rand) {
	u := &upheaval{store: newStore(t), local: content{}}
	maker := &site{store: u.store}
	u.before = maker.make(t, nil, randomFiles(r))
	u.after = maker.make(t, u.before, randomFiles(r))
	for path, text := range randomFiles(r) {
		// Somebody changed files of the old release.
		if f, ok := u.before.File(path); ok && r.IntN(3) == 0 {
			u.local[f.Path] = text + " here"
		}
	}
	s := u.site(t)
	u.old = s.tree(t)
	f := &faults{}
	mustApply(t, s.applier(t, f), Request{Target: u.after})
	u.new, u.kept = s.tree(t), s.kept(t)
	for _, file := range u.after.Files {
		if _, ok := u.new[file.Path]; !ok {
			t.Errorf("%s was not made", file.Path)
		}
	}
	if maps.Equal(u.old, u.new) {
		return // which of them a tree is can't be seen
	}

	s = u.site(t)
	var strikes []strike
	for range 1 + r.IntN(3) {
		strikes = append(strikes, strike{fault(r.IntN(len(names))), r.IntN(len(f.labels))})
	}
	again := strike{fault(r.IntN(len(names))), r.IntN(60)}
	u.strike(t, s, &faults{strikes: strikes})
	_ = u.recover(t, s, &faults{strikes: []strike{again}})
	u.settle(t, s)
	if t.Failed() {
		t.Logf("faults %v, then %v; before %v, after %v, changed here %v", strikes, again, u.old, u.new, u.local)
	}
}
