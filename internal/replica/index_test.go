package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
)

func testLimits() limits {
	return limits{
		files: 1000, tombstones: 100, fileSize: 1 << 20, tombstoneLife: time.Hour,
		allowed: func(string) bool { return true },
	}
}

// disk is what a test's disk holds at f; "" is nothing.
func onDisk(content string, made int64) Entry {
	e := entry("f", content, "", 0)
	e.Version, e.Made, e.Deleted = nil, made, content == ""
	return e
}

func TestVersion(t *testing.T) {
	v := Version(nil).next("b")
	if !slices.Equal(v, Version{{"b", 1}}) {
		t.Errorf("the first: %v", v)
	}
	w := v.next("a").next("b").next("b")
	if !slices.Equal(w, Version{{"a", 2}, {"b", 4}}) || w.last() != (Change{"b", 4}) {
		t.Errorf("later: %v, last %v", w, w.last())
	}
	many := Version(nil)
	for i := range MaxAuthors + 5 {
		many = many.next(fmt.Sprintf("n%03d", i))
	}
	if err := many.validate(); err != nil || many.last().Counter != MaxAuthors+5 {
		t.Errorf("%v; %v", many, err)
	}
	if _, ok := many.counter("n000"); ok {
		t.Error("the oldest change is not forgotten")
	}
	for _, tt := range []struct {
		v, old Version
		want   bool
	}{
		{v, v, true},
		{w, v, true},
		{v, w, false},
		{Version{{"c", 9}}, v, false}, // a higher counter, but without it
		{Version{{"b", 1}, {"c", 9}}, v, true},
		{v, nil, true},
		{v, found("a"), false}, // nobody knows what it was
		{found("a"), found("a"), true},
	} {
		if got := tt.v.follows(tt.old); got != tt.want {
			t.Errorf("%v follows %v: %t", tt.v, tt.old, got)
		}
	}
}

// TestBeats: of two entries exactly one wins, for the reason that counts.
func TestBeats(t *testing.T) {
	base := entry("f", "x", "b", 2)
	with := func(change func(*Entry)) Entry {
		e := base
		change(&e)
		return e
	}
	for why, weaker := range map[string]Entry{
		"counter":  with(func(e *Entry) { e.Version = Version{{"z", 1}}; e.Made++ }),
		"deletion": with(func(e *Entry) { e.Version = Version{{"z", 2}}; e.Made++; e.Deleted = true }),
		"earlier":  with(func(e *Entry) { e.Version = Version{{"z", 2}}; e.Made-- }),
		"node":     with(func(e *Entry) { e.Version = Version{{"a", 2}} }),
		"found":    with(func(e *Entry) { e.Version = found("z"); e.Made++ }),
		"authors":  with(func(e *Entry) { e.Version = Version{{"a", 1}, {"b", 2}} }),
	} {
		if base.beats(&weaker) == weaker.beats(&base) {
			t.Errorf("%s: both or none wins", why)
		}
		if why != "authors" && !base.beats(&weaker) {
			t.Errorf("%s: the weaker one wins", why)
		}
	}
	if base.beats(&base) {
		t.Error("an entry beats itself")
	}
}

// TestChange: what a change of the folder makes of what was known.
func TestChange(t *testing.T) {
	x := newIndex("a", testLimits())
	step := func(what string, e Entry, unversioned, announce bool, counter uint64, missing int) {
		t.Helper()
		if got := x.change(e, unversioned); got != announce {
			t.Errorf("%s: announced: %t", what, got)
		}
		if c := x.get("f").entry.Version.last().Counter; c != counter || x.missing != missing {
			t.Errorf("%s: counter %d, missing %d", what, c, x.missing)
		}
	}
	take := func(what string, e Entry, want verdict) {
		t.Helper()
		if v, err := x.take(&e, time.Now()); v != want || err != nil {
			t.Errorf("%s: %v, %v", what, v, err)
		}
	}
	if x.change(onDisk("", 1), false) || x.get("f").entry != nil {
		t.Error("a deletion of what never was")
	}
	step("found", onDisk("one", 1), true, true, 0, 0)
	step("again", onDisk("one", 2), false, false, 0, 0)
	step("changed", onDisk("two", 3), false, true, 1, 0)
	newer := entry("f", "three", "b", 2)
	take("newer", newer, taken)
	take("newer again", newer, ignored)
	take("older", entry("f", "old", "b", 1), olderHere)
	if x.missing != 1 {
		t.Errorf("%d missing", x.missing)
	}
	step("the same content appears", onDisk("three", 5), false, false, 2, 0)
	step("deleted", onDisk("", 6), false, true, 3, 0)
	if r := x.get("f"); !r.entry.Deleted || r.entry.Size != 5 || x.files != 0 || x.tombs != 1 || x.bytes != 0 {
		t.Errorf("%+v; %d files, %d tombstones", r.entry, x.files, x.tombs)
	}
	take("comes back", entry("f", "four", "b", 9), taken)
	step("changed here without knowing", onDisk("mine", 7), false, false, 9, 1)
	if r := x.get("f"); r.local.Version.last() != (Change{"a", 4}) {
		t.Errorf("what is here: %v", r.local.Version)
	}
}

// TestFollows: a change follows all that was heard of its path, also when that was only
// heard of, and after a restart.
func TestFollows(t *testing.T) {
	for what, heard := range map[string]Entry{
		"a deletion of what was never here":           func() Entry { e := entry("f", "x", "b", 5); e.Deleted = true; return e }(),
		"a newer version of what is here":             entry("f", "here", "b", 5),
		"a newer version of what has yet to be taken": entry("f", "mine", "b", 5),
	} {
		dir := t.TempDir()
		x, l, _, err := loaded(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		l.since = time.Now().UTC()
		if !heard.Deleted {
			x.change(onDisk("here", 1), false)
		}
		if err := l.rewrite(x); err != nil {
			t.Fatal(err)
		}
		page := []Entry{heard}
		if v, err := x.take(&page[0], time.Now()); v != taken || err != nil {
			t.Fatal(v, err)
		}
		if x.get("f").entry == &page[0] {
			t.Errorf("%s: a page is kept in memory for one of its entries", what)
		}
		if err := errors.Join(l.add(line{Entry: &heard}), l.flush()); err != nil {
			t.Fatal(err)
		}
		again, _, _, err := loaded(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		for when, x := range map[string]*index{"": x, " after a restart": again} {
			x.change(onDisk("mine", 2), false)
			announced := x.change(onDisk("later", 3), false)
			if e := x.get("f").entry; !announced || !e.Version.follows(heard.Version) || e.Version.last().Node != "a" {
				t.Errorf("%s%s: the change gets version %v and is told: %t", what, when, e.Version, announced)
			}
		}
	}
}

// TestFoundTwice: of two files that nodes find when they know nothing, the one that was
// changed later wins, whichever node was started last.
func TestFoundTwice(t *testing.T) {
	a, b := newIndex("a", testLimits()), newIndex("b", testLimits())
	newer, older := onDisk("newer", 1), onDisk("older", 2)
	newer.Time, older.Time = 20, 10
	a.change(newer, true)
	b.change(older, true)
	x, y := *a.get("f").entry, *b.get("f").entry
	if v, err := a.take(&y, time.Now()); v != olderHere || err != nil {
		t.Errorf("the older one is told: %v, %v", v, err)
	}
	if v, err := b.take(&x, time.Now()); v != taken || err != nil {
		t.Errorf("the newer one is told: %v, %v", v, err)
	}
}

// TestPurge: deletions go when they are old or too many, but not before they are
// carried out.
func TestPurge(t *testing.T) {
	l := testLimits()
	l.tombstones = 2
	x := newIndex("a", l)
	now := time.Now()
	for i := range 5 {
		e := entry(fmt.Sprint("f", i), "x", "b", 1)
		e.Deleted, e.Made = true, now.Add(time.Duration(i)*time.Second).UnixNano()
		if _, err := x.take(&e, now); err != nil && i < 4 {
			t.Error(err)
		}
	}
	if x.tombs != 4 {
		t.Errorf("%d deletions were taken, twice as many as are kept are the limit", x.tombs)
	}
	gone := x.purge(now)
	slices.Sort(gone)
	if !slices.Equal(gone, []string{"f0", "f1"}) || x.tombs != 2 {
		t.Errorf("purged %q", gone)
	}
	x.change(onDisk("here", 1), false)
	e := entry("f", "here", "b", 2)
	e.Deleted, e.Made = true, now.UnixNano()
	if _, err := x.take(&e, now); err != nil {
		t.Fatal(err)
	}
	gone = x.purge(now.Add(2 * time.Hour))
	slices.Sort(gone)
	if !slices.Equal(gone, []string{"f2", "f3"}) || x.get("f").entry == nil {
		t.Errorf("purged %q", gone)
	}
	old := entry("f9", "x", "b", 1)
	old.Deleted, old.Made = true, now.Add(-2*time.Hour).UnixNano()
	if v, err := x.take(&old, now); v != ignored || err != nil || x.get("f9").entry != nil {
		t.Errorf("a deletion that is too old: %v, %v", v, err)
	}
}

// TestConverge: nodes that change the same few files and exchange what they know in
// any order know the same in the end, their sums are right, and no content is lost
// that did not lose: each is an ancestor of the winner or seen to be concurrent.
func TestConverge(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		nodes := make([]*index, 4)
		for i := range nodes {
			nodes[i] = newIndex(fmt.Sprint("n", i), testLimits())
		}
		give := func(from, to *index, path string) {
			if r := from.get(path); r.entry != nil {
				e := *r.entry
				if _, err := to.take(&e, time.Now()); err != nil {
					t.Fatal(err)
				}
				if r := to.get(path); !r.done() && rnd.IntN(2) == 0 { // it is fetched
					to.set(path, record{entry: r.entry, local: r.entry})
				}
			}
		}
		paths := []string{"a", "b", "c"}
		for range 60 {
			x, path := nodes[rnd.IntN(4)], paths[rnd.IntN(3)]
			if rnd.IntN(3) > 0 {
				give(x, nodes[rnd.IntN(4)], path)
				continue
			}
			e := onDisk(fmt.Sprint(rnd.IntN(5)), time.Now().UnixNano()+rnd.Int64N(10))
			e.Path, e.Deleted = path, rnd.IntN(4) == 0
			x.change(e, rnd.IntN(10) == 0)
		}
		for range 2 {
			for _, from := range nodes {
				for _, to := range nodes {
					for _, path := range paths {
						give(from, to, path)
					}
				}
			}
		}
		for _, x := range nodes[1:] {
			if x.sums() != nodes[0].sums() || x.files != nodes[0].files || x.bytes != nodes[0].bytes || x.tombs != nodes[0].tombs {
				t.Fatalf("seed %d: %s knows something else than %s", seed, x.node, nodes[0].node)
			}
		}
		for _, x := range nodes {
			again := newIndex(x.node, x.limits)
			for path, r := range x.all() {
				again.set(path, r)
			}
			if again.sums() != x.sums() || again.files != x.files || again.missing != x.missing || again.tombs != x.tombs || again.bytes != x.bytes {
				t.Fatalf("seed %d: the sums of %s are not right", seed, x.node)
			}
		}
	}
}

// TestPage: pages hold all that is known, once, in order.
func TestPage(t *testing.T) {
	x := newIndex("a", limits{files: 1 << 20, fileSize: 1 << 20, allowed: func(string) bool { return true }})
	want := make(map[string]bool)
	for i := 0; len(want) < 2*MaxBatch+10; i++ {
		e := entry(fmt.Sprint("f", i), "x", "b", 1)
		if bucketOf(e.Path) != 3 {
			continue
		}
		want[e.Path] = true
		if _, err := x.take(&e, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	p := Page{Bucket: 3}
	for pages := 1; ; pages++ {
		page := x.page(p)
		for _, e := range page.Entries {
			if !want[e.Path] || e.Path <= p.After {
				t.Fatalf("%q is there twice or in the wrong place", e.Path)
			}
			delete(want, e.Path)
			p.After = e.Path
		}
		if !page.More {
			if pages != 3 || len(want) > 0 {
				t.Errorf("%d pages, %d entries are missing", pages, len(want))
			}
			return
		}
	}
}

// FuzzTake: whatever a peer says, what is taken is within the bounds, and the sums
// stay right.
func FuzzTake(f *testing.F) {
	for _, e := range []Entry{entry("a/b", "x", "n", 1), entry("A/b", "y", "m", 1<<40), {Path: "..", Deleted: true}} {
		b, err := json.Marshal([]Entry{e, entry("a/b", "z", "o", 2)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var entries []Entry
		if json.Unmarshal(b, &entries) != nil {
			return
		}
		x := newIndex("a", testLimits())
		x.change(onDisk("mine", 1), false)
		for i := range entries {
			if v, err := x.take(&entries[i], time.Now()); err != nil && v != ignored {
				t.Errorf("refused and %v", v)
			}
		}
		again := newIndex("a", x.limits)
		for path, r := range x.all() {
			if r.entry == nil {
				t.Errorf("%q: nothing is known", path)
				continue
			}
			if err := release.CheckPath(path); err != nil || r.entry.Version.validate() != nil || r.entry.Size > x.limits.fileSize {
				t.Errorf("taken: %+v: %v", r.entry, err)
			}
			again.set(path, r)
		}
		if again.sums() != x.sums() || again.files != x.files || again.missing != x.missing {
			t.Error("the sums are not right")
		}
	})
}
