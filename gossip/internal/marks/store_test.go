package marks

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func open(t testing.TB, name, dir string) *Store {
	t.Helper()
	s, err := Open(name, dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func set(t testing.TB, s *Store, key, value string) []byte {
	t.Helper()
	_, b, err := s.Set(key, value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func del(t testing.TB, s *Store, key string) []byte {
	t.Helper()
	_, b, err := s.Delete(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func merge(t testing.TB, s *Store, b []byte, whole bool) []Entry {
	t.Helper()
	news, err := s.Merge(b, whole)
	if err != nil {
		t.Fatal(err)
	}
	return news
}

// exchange is one push and pull: each side's map is encoded before either
// merges, as in memberlist.
func exchange(t testing.TB, a, b *Store) {
	t.Helper()
	x, y := a.Encode(), b.Encode()
	merge(t, a, y, true)
	merge(t, b, x, true)
}

func want(t *testing.T, s *Store, m map[string]string) {
	t.Helper()
	if got := s.All(); !maps.Equal(got, m) {
		t.Errorf("%s has %v, want %v", s.writer, got, m)
	}
}

func TestLastWriterWins(t *testing.T) {
	a, b := open(t, "a", ""), open(t, "b", "")
	old := set(t, a, "drain/s1", "draining")
	if news := merge(t, b, old, false); len(news) != 1 || news[0].Value != "draining" {
		t.Fatalf("news %v", news)
	}
	newer := set(t, b, "drain/s1", "maintenance")
	merge(t, a, newer, false)
	want(t, a, map[string]string{"drain/s1": "maintenance"})
	if news := merge(t, a, old, false); news != nil {
		t.Errorf("an old version is news: %v", news)
	}
	if news := merge(t, b, newer, true); news != nil {
		t.Errorf("a repeated version is news: %v", news)
	}
	want(t, a, map[string]string{"drain/s1": "maintenance"})
	if v, ok := a.Get("drain/s1"); !ok || v != "maintenance" {
		t.Error(v, ok)
	}

	gone := del(t, a, "drain/s1")
	merge(t, b, old, false)
	if news := merge(t, b, gone, false); len(news) != 1 || !news[0].Deleted {
		t.Errorf("news %v", news)
	}
	merge(t, b, newer, true)
	want(t, b, map[string]string{})
	if _, ok := b.Get("drain/s1"); ok {
		t.Error("a deleted mark is there")
	}
}

// However messages are ordered, doubled and partly lost, one full exchange in
// each direction makes all maps the same.
func TestConverges(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		nodes := []*Store{open(t, "a", ""), open(t, "b", ""), open(t, "c", "")}
		var wire [][]byte
		for i := range 60 {
			n := nodes[rng.IntN(3)]
			key := fmt.Sprint("k", rng.IntN(5))
			if rng.IntN(3) == 0 {
				wire = append(wire, del(t, n, key))
			} else {
				wire = append(wire, set(t, n, key, fmt.Sprint(i)))
			}
			if rng.IntN(2) == 0 {
				merge(t, nodes[rng.IntN(3)], wire[rng.IntN(len(wire))], false)
			}
		}
		exchange(t, nodes[0], nodes[1])
		exchange(t, nodes[1], nodes[2])
		exchange(t, nodes[0], nodes[2])
		exchange(t, nodes[0], nodes[1])
		for _, n := range nodes[1:] {
			if string(n.Encode()) != string(nodes[0].Encode()) {
				t.Fatalf("seed %d: %v and %v", seed, n.All(), nodes[0].All())
			}
		}
	}
}

func TestSurvivesRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "omflow")
	a, b := open(t, "a", dir), open(t, "b", "")
	set(t, a, "x", "1")
	gone := set(t, a, "y", "2")
	del(t, a, "y")
	if err := a.Save(false); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Save(false); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(filepath.Join(dir, fileName)); err != nil || !os.SameFile(before, after) {
		t.Error("saved although nothing changed", err)
	}

	// Meanwhile b learns something newer.
	exchange(t, a, b)
	set(t, b, "x", "3")

	a = open(t, "a", dir)
	want(t, a, map[string]string{"x": "1"})
	if merge(t, a, gone, false) != nil {
		t.Error("the tombstone was lost over the restart")
	}
	exchange(t, a, b)
	want(t, a, map[string]string{"x": "3"})
	want(t, b, map[string]string{"x": "3"})
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); left != nil {
		t.Error("left behind:", left)
	}
}

func TestUnreadableFileIsKeptAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path, []byte(`{"format":1,"entries":[{"key":"`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open("a", dir)
	if err == nil || s == nil {
		t.Fatalf("Open = %v, %v", s, err)
	}
	if _, err := os.Stat(path + ".unreadable"); err != nil {
		t.Error(err)
	}
	set(t, s, "x", "1")
	if err := s.Save(false); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, "a", dir), map[string]string{"x": "1"})
}

func TestSaveFailureIsReportedAndTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := open(t, "a", dir)
	set(t, s, "x", "1")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	if err := s.Save(false); err == nil {
		t.Fatal("no error")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(false); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, "a", dir), map[string]string{"x": "1"})
}

// A node that was away for days, while a mark was deleted and its tombstone
// forgotten.
func TestLongAbsence(t *testing.T) {
	for _, c := range []struct {
		name string
		away time.Duration
		peer bool // whether the peer was there all the time
		want map[string]string
	}{
		{"an hour", time.Hour, true, map[string]string{"new": "1"}},
		{"three days", 72 * time.Hour, true, map[string]string{"new": "1"}},
		{"three days, all of them", 72 * time.Hour, false, map[string]string{"deleted": "1", "kept": "1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dirA, dirB := t.TempDir(), t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				a, b := open(t, "a", dirA), open(t, "b", dirB)
				set(t, a, "deleted", "1")
				exchange(t, a, b)
				if !c.peer {
					set(t, a, "kept", "1")
				}
				for _, s := range []*Store{a, b} {
					if err := s.Save(true); err != nil {
						t.Fatal(err)
					}
				}
				if c.peer {
					del(t, b, "deleted")
					set(t, b, "new", "1")
				}
				time.Sleep(c.away)
				if c.peer {
					b.Expire()
				} else {
					b = open(t, "b", dirB)
				}
				a = open(t, "a", dirA)
				exchange(t, a, b)
				want(t, a, c.want)
				want(t, b, c.want)
				// What it writes now is no old news, and is accepted.
				set(t, a, "later", "1")
				exchange(t, a, b)
				exchange(t, a, b)
				if _, ok := b.Get("later"); !ok {
					t.Error("what was written after coming back is refused")
				}
			})
		})
	}
}

// All nodes were off for three days, and then one is added: what it does not have was not
// deleted.
func TestNewNodeAfterAnAbsenceOfAll(t *testing.T) {
	for _, later := range []time.Duration{0, tombstoneLife} {
		dirs := []string{t.TempDir(), t.TempDir()}
		synctest.Test(t, func(t *testing.T) {
			var nodes []*Store
			for i, name := range []string{"a", "b"} {
				nodes = append(nodes, open(t, name, dirs[i]))
			}
			exchange(t, nodes[0], nodes[1])
			set(t, nodes[0], "of a", "1") // which had no time to spread
			set(t, nodes[1], "of b", "1")
			for i, s := range nodes {
				if err := s.Save(true); err != nil {
					t.Fatal(err)
				}
				nodes[i] = nil
			}
			time.Sleep(3 * tombstoneLife)
			for i, name := range []string{"a", "b"} {
				nodes[i] = open(t, name, dirs[i])
			}
			time.Sleep(later)
			for _, s := range nodes {
				s.Expire()
			}
			added, another := open(t, "c", ""), open(t, "d", "")
			exchange(t, added, another) // the new ones find each other first
			exchange(t, nodes[0], added)
			exchange(t, added, nodes[1])
			exchange(t, nodes[0], nodes[1])
			exchange(t, nodes[0], added)
			all := map[string]string{"of a": "1", "of b": "1"}
			for _, s := range append(nodes, added) {
				want(t, s, all)
			}
		})
	}
}

// The file says of a node that it began with nothing, and since when it is away.
func TestStandingIsKept(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		again := func(s *Store, i int) *Store {
			t.Helper()
			if err := s.Save(true); err != nil {
				t.Fatal(err)
			}
			return open(t, s.writer, dirs[i])
		}
		a := again(open(t, "a", dirs[0]), 0)
		if a.standing != blank {
			t.Errorf("restarted, a new node is %d", a.standing)
		}
		set(t, a, "x", "1")
		if err := a.Save(true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * tombstoneLife)
		a = open(t, "a", dirs[0])
		fresh := again(open(t, "b", dirs[1]), 1)
		exchange(t, a, fresh)
		want(t, a, map[string]string{"x": "1"})
		if fresh.standing != away {
			t.Errorf("what knows only from one that was away is %d", fresh.standing)
		}
		for range 2 {
			time.Sleep(tombstoneLife / 2)
			a.Expire()
			a = again(a, 0)
		}
		if a.Expire(); a.standing != here {
			t.Errorf("after a day together it is %d", a.standing)
		}
		fresh.Expire()
		// From now on it tells others that were away what was deleted.
		want(t, fresh, map[string]string{"x": "1"})
		del(t, fresh, "x")
		exchange(t, a, fresh)
		want(t, a, map[string]string{})
	})
}

// Of two nodes each forgets a tombstone at its own time, and is not given it again.
func TestTombstonesExpireEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := open(t, "a", ""), open(t, "b", "")
		time.Sleep(tombstoneLife)
		a.Expire()
		b.Expire()
		set(t, a, "stays", "1")
		set(t, a, "goes", "1")
		exchange(t, a, b)
		del(t, a, "goes")
		for range 3 * 24 {
			exchange(t, a, b)
			time.Sleep(30 * time.Minute)
			a.Expire()
			exchange(t, a, b)
			time.Sleep(30 * time.Minute)
			b.Expire()
		}
		for _, s := range []*Store{a, b} {
			if n := len(s.entries); n != 1 {
				t.Errorf("%s keeps %d entries", s.writer, n)
			}
		}
	})
}

func TestTombstonesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "a", "")
		set(t, s, "stays", "1")
		old := set(t, s, "goes", "1")
		del(t, s, "goes")
		time.Sleep(tombstoneLife - time.Minute)
		s.Expire()
		if merge(t, s, old, false) != nil {
			t.Error("the tombstone was gone before its time")
		}
		time.Sleep(time.Minute)
		s.Expire()
		if n := len(s.entries); n != 1 {
			t.Errorf("%d entries are kept", n)
		}
	})
}

func TestBounds(t *testing.T) {
	s := open(t, "a", "")
	for _, c := range []struct{ key, value string }{
		{"", "v"},
		{strings.Repeat("k", MaxKey+1), "v"},
		{"k\n", "v"},
		{"\xff", "v"},
		{"k", strings.Repeat("v", MaxValue+1)},
		{"k", "\xff"},
	} {
		if _, _, err := s.Set(c.key, c.value); err == nil {
			t.Errorf("Set(%q, %d bytes) is accepted", c.key, len(c.value))
		}
	}
	for i := range MaxEntries {
		set(t, s, fmt.Sprint(i), "v")
	}
	if _, _, err := s.Set("one more", "v"); !errors.Is(err, ErrFull) {
		t.Errorf("error %v, want ErrFull", err)
	}
	set(t, s, "7", "a known key still changes")
	peer := open(t, "b", "")
	if news := merge(t, s, set(t, peer, "of a peer", "v"), false); news != nil || s.Left() != 1 {
		t.Errorf("a full map took %v, left out %d", news, s.Left())
	}
	if len(s.Encode()) > MaxEntries*(MaxKey+MaxValue+maxWriter+16) {
		t.Error("the encoded map is larger than its bound")
	}
	longest := set(t, peer, strings.Repeat("k", MaxKey), strings.Repeat("v", MaxValue))
	if len(longest) > MaxKey+MaxValue+maxWriter+32 {
		t.Errorf("the longest change has %d bytes", len(longest))
	}
}

func FuzzDecode(f *testing.F) {
	s := open(f, "a", "")
	set(f, s, "drain/s1", "draining")
	del(f, s, "x")
	f.Add(s.Encode())
	f.Add([]byte{formatVersion, byte(away), 0})
	f.Add([]byte{formatVersion, byte(blank), 0})
	f.Add([]byte{formatVersion, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, st, err := decode(b)
		if err != nil {
			if entries != nil {
				t.Error("entries together with an error")
			}
			return
		}
		again, st2, err := decode(encode(entries, st))
		if err != nil || st != st2 || fmt.Sprint(again) != fmt.Sprint(entries) {
			t.Errorf("%v, %v became %v, %v, %v", entries, st, again, st2, err)
		}
		for _, e := range entries {
			if err := e.validate(); err != nil {
				t.Error(err)
			}
		}
		if _, err := open(t, "b", "").Merge(b, true); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(`{"format":1,"seen":"2026-01-02T03:04:05Z","entries":[{"key":"a","value":"b","counter":1,"writer":"n"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parse(b)
		if err != nil {
			return
		}
		for _, e := range p.Entries {
			if err := e.validate(); err != nil {
				t.Error(err)
			}
		}
	})
}
