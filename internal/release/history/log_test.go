package history

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string, keep int) *Log {
	t.Helper()
	l, err := Open(Config{Dir: dir, Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// next makes a release after parent; text is what its one file holds.
func next(t testing.TB, parent *release.Manifest, text string) *release.Manifest {
	t.Helper()
	m, err := release.New(parent, release.Draft{
		Kind: release.Patch, Origin: "server-1", Time: epoch,
		Files: []release.File{{Path: "a.py", Size: int64(len(text)), SHA256: sha256.Sum256([]byte(text))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// chain makes n releases.
func chain(t testing.TB, parent *release.Manifest, texts ...string) []*release.Manifest {
	t.Helper()
	var out []*release.Manifest
	for _, text := range texts {
		parent = next(t, parent, text)
		out = append(out, parent)
	}
	return out
}

func propose(t testing.TB, l *Log, ms ...*release.Manifest) {
	t.Helper()
	for _, m := range ms {
		if err := l.Propose(m, "10.0.0.1:5169"); err != nil {
			t.Fatal(err)
		}
	}
}

func numbers(l *Log) []uint64 {
	var out []uint64
	for _, e := range l.List() {
		out = append(out, e.Ref.Number)
	}
	return out
}

// unchecked is a copy of m that nothing has found valid, for a test to spoil.
func unchecked(m *release.Manifest) *release.Manifest {
	return &release.Manifest{
		Number: m.Number, Parent: m.Parent, Kind: m.Kind, Origin: m.Origin, Time: m.Time, Note: m.Note,
		Files: m.Files, Deleted: m.Deleted,
	}
}

func TestPropose(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	if !l.Head().IsZero() {
		t.Errorf("head of an empty log: %s", l.Head())
	}
	ms := chain(t, nil, "1", "2", "3")
	if err := l.Propose(ms[1], ""); !isStale(err, release.Ref{}) {
		t.Errorf("release 2 on an empty log: %v", err)
	}
	propose(t, l, ms[:2]...)
	// The answer was lost, and the origin asks again.
	propose(t, l, ms[0], ms[1])
	if l.Head() != ms[1].Ref() {
		t.Errorf("head %s", l.Head())
	}
	other := next(t, ms[0], "other 2")
	if err := l.Propose(other, ""); !isStale(err, ms[1].Ref()) {
		t.Errorf("another release 2: %v", err)
	}
	hidden := unchecked(ms[2])
	hidden.Files = nil
	if err := l.Propose(hidden, ""); err == nil || !strings.Contains(err.Error(), "deletions") {
		t.Errorf("release that hides a deletion: %v", err)
	}
	bad := unchecked(ms[2])
	bad.Origin = "../x"
	if err := l.Propose(bad, ""); err == nil {
		t.Error("a release that is none was taken")
	}
	propose(t, l, ms[2])

	for range 2 {
		if l.Head() != ms[2].Ref() {
			t.Errorf("head %s", l.Head())
		}
		if m, err := l.Get(2); err != nil || m.Ref() != ms[1].Ref() {
			t.Errorf("release 2: %v", err)
		}
		if _, err := l.Get(4); !errors.Is(err, ErrUnknown) {
			t.Errorf("release 4: %v", err)
		}
		if got := numbers(l); !slices.Equal(got, []uint64{3, 2, 1}) {
			t.Errorf("list %v", got)
		}
		l = open(t, dir, 0)
	}
}

func isStale(err error, head release.Ref) bool {
	var stale *StaleError
	return errors.As(err, &stale) && stale.Head == head
}

// TestProposeAtOnce: of many releases on the same head one is taken.
func TestProposeAtOnce(t *testing.T) {
	l := open(t, t.TempDir(), 0)
	one := next(t, nil, "1")
	propose(t, l, one)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		m := next(t, one, fmt.Sprint("from ", i))
		wg.Go(func() { errs[i] = l.Propose(m, "") })
	}
	wg.Wait()
	taken := 0
	for _, err := range errs {
		switch {
		case err == nil:
			taken++
		case !isStale(err, l.Head()):
			t.Error(err)
		}
	}
	if taken != 1 || l.Head().Number != 2 {
		t.Errorf("%d were taken, head %s", taken, l.Head())
	}
}

func TestFollow(t *testing.T) {
	ours := chain(t, nil, "1", "2", "3", "4")
	theirs := append(ours[:2:2], chain(t, ours[1], "other 3", "other 4", "other 5")...)
	tests := []struct {
		name    string
		have    []*release.Manifest
		chain   []*release.Manifest
		head    *release.Manifest
		dropped []*release.Manifest
		want    string
	}{
		{"from nothing", nil, ours, ours[3], nil, ""},
		{"from nothing, the newest only", nil, ours[2:], ours[3], nil, ""},
		{"what is missing", ours[:2], ours[2:], ours[3], nil, ""},
		{"overlapping", ours[:3], ours[1:], ours[3], nil, ""},
		{"nothing new", ours, ours[:2], ours[3], nil, ""},
		{"after a gap", ours[:1], ours[3:], ours[3], nil, ""},
		{"another 3", ours, theirs[1:], theirs[4], ours[2:4], ""},
		{"another 3, without what is before", ours, theirs[2:], theirs[4], ours[2:4], ""},
		{"another 3 that is the newest", ours, theirs[2:3], theirs[2], ours[2:4], ""},
		{"another 4, without its parent", ours, theirs[3:], ours[3], nil, "the head is release 3"},
		{"no chain", ours[:1], []*release.Manifest{ours[1], ours[3]}, ours[1], nil, "parent is"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, 0)
			propose(t, l, tt.have...)
			dropped, err := l.Follow(tt.chain, "booster:5169")
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if !slices.EqualFunc(dropped, tt.dropped, func(a, b *release.Manifest) bool { return a.Ref() == b.Ref() }) {
				t.Errorf("dropped %d, want %d", len(dropped), len(tt.dropped))
			}
			for range 2 {
				if l.Head() != tt.head.Ref() {
					t.Errorf("head %s, want %s", l.Head(), tt.head.Ref())
				}
				for m := range l.All() {
					if m.Number > l.Head().Number {
						t.Errorf("release %d is after the head", m.Number)
					}
				}
				l = open(t, dir, 0)
			}
		})
	}
}

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 3)
	ms := chain(t, nil, "1", "2", "3", "4", "5", "6")
	propose(t, l, ms...)
	if err := l.Quarantine(ms[0].Ref(), "it was bad"); err != nil {
		t.Fatal(err)
	}
	gone, err := l.Prune(func(r release.Ref) bool { return r == ms[1].Ref() })
	if err != nil || !slices.Equal(gone, []release.Ref{ms[2].Ref(), ms[0].Ref()}) {
		t.Errorf("pruned %v, %v", gone, err)
	}
	for range 2 {
		if got := numbers(l); !slices.Equal(got, []uint64{6, 5, 4, 2}) {
			t.Errorf("left %v", got)
		}
		if l.QuarantineReason(ms[0].Ref()) != "" {
			t.Error("a release that is gone is in quarantine")
		}
		l = open(t, dir, 3)
	}
	if gone, err := l.Prune(nil); err != nil || len(gone) != 1 {
		t.Errorf("pruned %v, %v", gone, err)
	}
	// The chain goes on where it was.
	propose(t, l, next(t, ms[5], "7"))
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 2)
	ms := chain(t, nil, "1", "2", "3", "4")
	propose(t, l, ms...)
	if err := l.Quarantine(ms[3].Ref(), "does not start"); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"as proposed", "as read"} {
		list := l.List()
		if len(list) != 4 {
			t.Fatalf("%s: %d releases", what, len(list))
		}
		e := list[0]
		if e.Ref != ms[3].Ref() || e.Origin != "server-1" || !e.Time.Equal(epoch) || e.Files != 1 || e.Bytes != 1 || e.Quarantined != "does not start" {
			t.Errorf("%s: %+v", what, e)
		}
		if c := e.Changes; c == nil || *c != (release.Summary{Modified: 1, Bytes: 1}) {
			t.Errorf("%s: changes %v", what, c)
		}
		if c := list[3].Changes; c == nil || *c != (release.Summary{Added: 1, Bytes: 1}) {
			t.Errorf("%s: changes of the first %v", what, c)
		}
		l = open(t, dir, 2)
	}
	if _, err := l.Prune(nil); err != nil {
		t.Fatal(err)
	}
	list := open(t, dir, 2).List()
	if list[1].Changes != nil || list[0].Changes == nil {
		t.Errorf("changes %v, and %v without a parent", list[0].Changes, list[1].Changes)
	}
}

func TestQuarantine(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	ms := chain(t, nil, "1", "2")
	propose(t, l, ms...)
	bad := ms[1].Ref()
	if err := l.Quarantine(release.Ref{Number: 2}, "x"); !errors.Is(err, ErrUnknown) {
		t.Errorf("another release 2: %v", err)
	}
	if err := l.Quarantine(bad, ""); err == nil {
		t.Error("no reason")
	}
	for range 2 {
		if err := l.Quarantine(bad, strings.Repeat("很", 1000)); err != nil {
			t.Fatal(err)
		}
	}
	l = open(t, dir, 0)
	reason := l.QuarantineReason(bad)
	if !strings.HasPrefix(reason, "很") || len(reason) > maxReason || l.QuarantineReason(ms[0].Ref()) != "" {
		t.Errorf("reason of %d bytes", len(reason))
	}
	if err := l.Clear(bad); err != nil {
		t.Fatal(err)
	}
	if open(t, dir, 0).QuarantineReason(bad) != "" {
		t.Error("the mark is back")
	}
}

func records(t testing.TB, dir string) (whole []Record, broken int) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "published.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var r Record
		if json.Unmarshal(s.Bytes(), &r) != nil {
			broken++
			continue
		}
		whole = append(whole, r)
	}
	return whole, broken
}

func TestPublished(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	ms := chain(t, nil, "1", "2")
	propose(t, l, ms...)
	if err := l.Quarantine(ms[1].Ref(), "bad\nnews"); err != nil {
		t.Fatal(err)
	}
	if err := l.Clear(ms[1].Ref()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Follow([]*release.Manifest{next(t, ms[0], "other")}, "booster:5169"); err != nil {
		t.Fatal(err)
	}
	l.Close()
	// A crash cut the last line off.
	path := filepath.Join(dir, "published.jsonl")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, 0)
	head, err := l.Get(2)
	if err != nil {
		t.Fatal(err)
	}
	propose(t, l, next(t, head, "3"))

	got, broken := records(t, dir)
	var acts []string
	for _, r := range got {
		acts = append(acts, fmt.Sprint(r.Act, " ", r.Release.Number, " ", r.From))
		if r.Time.IsZero() {
			t.Errorf("no time: %+v", r)
		}
	}
	want := []string{
		"published 1 10.0.0.1:5169", "published 2 10.0.0.1:5169", "quarantined 2 ", "cleared 2 ",
		"dropped 2 booster:5169", "published 3 10.0.0.1:5169",
	}
	if !slices.Equal(acts, want) || broken != 1 {
		t.Errorf("%d broken, %q, want %q", broken, acts, want)
	}
	if r := got[1]; r.Origin != "server-1" || r.Kind != release.Patch || r.Changes == nil || r.Changes.Modified != 1 || r.Release != ms[1].Ref() {
		t.Errorf("%+v", r)
	}
	if got[2].Reason != "bad\nnews" {
		t.Errorf("reason %q", got[2].Reason)
	}
}

// TestDamaged: a manifest that is not what its name says is not believed, and
// the others work.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, 0)
	ms := chain(t, nil, "1", "2", "3")
	propose(t, l, ms...)
	b, err := next(t, ms[0], "forged").Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.manifests, fileName(ms[1].Ref())), b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, stranger := range []string{"README", "00000000000000000009-abc.json", fileName(ms[0].Ref()) + ".123.tmp"} {
		if err := os.WriteFile(filepath.Join(l.manifests, stranger), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l = open(t, dir, 0)
	if _, err := l.Get(2); err == nil || !strings.Contains(err.Error(), "the file holds") {
		t.Errorf("forged release: %v", err)
	}
	if got := numbers(l); !slices.Equal(got, []uint64{3, 1}) {
		t.Errorf("list %v", got)
	}
	n := 0
	for range l.All() {
		n++
	}
	if n != 2 {
		t.Errorf("%d releases can be read", n)
	}
	if named, err := l.Contents(); err == nil {
		t.Errorf("the releases name %d contents, though one of them can't be read", len(named))
	}
}

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{}, {Dir: "x", Keep: -1}, {Dir: "x", Keep: 1001}, {Dir: filepath.Join(os.DevNull, "x")}} {
		if l, err := Open(cfg); err == nil {
			l.Close()
			t.Errorf("%+v was taken", cfg)
		}
	}
}
