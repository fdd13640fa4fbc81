package watch

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omflow/booster/internal/testbed/observe"
)

// knowsWriters skips where the system does not tell who writes.
func knowsWriters(t *testing.T) {
	t.Helper()
	f := newFolder(t)
	f.write("a", "one")
	r, err := os.Open(f.path("a"))
	f.must(err)
	defer r.Close()
	if _, err := writerOpen(r); err != nil {
		t.Skip(err)
	}
}

func TestWriterOpen(t *testing.T) {
	knowsWriters(t)
	f := newFolder(t)
	f.write("a", "one")
	r, err := os.Open(f.path("a"))
	f.must(err)
	defer r.Close()
	check := func(want bool, when string) {
		t.Helper()
		if open, err := writerOpen(r); err != nil || open != want {
			t.Errorf("%s: %v, %v", when, open, err)
		}
	}
	check(false, "nobody writes")
	w, err := os.OpenFile(f.path("a"), os.O_WRONLY, 0)
	f.must(err)
	check(true, "a writer has it open")
	f.must(w.Close())
	check(false, "after the writer")
	// The lease was given back: the next writer need not wait for it.
	began := time.Now()
	w, err = os.OpenFile(f.path("a"), os.O_RDWR, 0)
	f.must(err)
	f.must(w.Close())
	if d := time.Since(began); d > observe.Patience { // the system takes a lease away after 45 s
		t.Errorf("a writer waited %s", d)
	}
}

// A writer that pauses for far longer than the settle time, and takes longer
// than the longest settle time, is waited for; what was saved beside it is not
// kept back for ever.
func TestSlowWriter(t *testing.T) {
	knowsWriters(t)
	f := newFolder(t)
	f.write("big", "old")
	f.watch(Config{Settle: testSettle, MaxSettle: 8 * testSettle})
	f.accept()
	piece := strings.Repeat("x", 100<<10)
	f.write("beside", "b")
	var pieces atomic.Int64
	enough, written := make(chan struct{}), make(chan error, 1)
	stop := sync.OnceFunc(func() { close(enough) })
	defer stop()
	go func() {
		w, err := os.Create(f.path("big"))
		for going := true; err == nil && going; pieces.Add(1) {
			_, err = w.WriteString(piece)
			select {
			case <-enough:
				going = false
			case <-time.After(3 * testSettle): // the writer's pause
			}
		}
		if err == nil {
			err = w.Close()
		}
		written <- err
	}()
	first := f.take()
	if got := first.String(); got != "+beside" {
		t.Fatalf("while the writer is at work: %q", got)
	}
	if !contentOf(first.Tree, "big", "old") {
		t.Error("the unfinished file is not as the base has it")
	}
	observe.Eventually(t, "status names the file", func() bool {
		s := f.w.Status()
		return len(s.Open) == 1 && s.Open[0] == "big"
	})
	f.w.SetBase(first.Tree)
	more := pieces.Load() + 5
	observe.Eventually(t, "the writer goes on", func() bool { return pieces.Load() >= more })
	if len(f.w.changes) > 0 {
		t.Error("a change while the writer is at work")
	}
	stop()
	second := f.take()
	f.must(<-written)
	whole := strings.Repeat(piece, int(pieces.Load()))
	if got := second.String(); got != "~big" || !contentOf(second.Tree, "big", whole) {
		e, _ := second.Tree.Get("big")
		t.Errorf("changes %q with %d of %d bytes", got, e.Size, len(whole))
	}
}

// While a writer is at work and time is not up, what was saved with its file
// waits for it: a set comes out whole.
func TestSetWaitsForWriter(t *testing.T) {
	knowsWriters(t)
	f := newFolder(t)
	f.write("a", "old")
	f.watch(Config{MaxSettle: time.Hour})
	f.accept()
	w, err := os.Create(f.path("a"))
	f.must(err)
	_, err = w.WriteString("ne")
	f.must(err)
	f.write("b", "b")
	observe.Eventually(t, "the writer is seen", func() bool { return len(f.w.Status().Open) == 1 })
	if len(f.w.changes) != 0 {
		t.Error("a change while the writer is at work")
	}
	_, err = w.WriteString("w")
	f.must(err)
	f.must(w.Close())
	c := f.take()
	if got := c.String(); got != "+b ~a" || !contentOf(c.Tree, "a", "new") {
		t.Errorf("changes %q", got)
	}
}

// A new file that a writer has open is not published, empty or half.
func TestNewOpenFile(t *testing.T) {
	knowsWriters(t)
	f := newFolder(t)
	f.write("a", "one")
	f.watch(Config{MaxSettle: 2 * testSettle})
	f.accept()
	w, err := os.Create(f.path("new"))
	f.must(err)
	observe.Eventually(t, "the writer is seen", func() bool { return len(f.w.Status().Open) == 1 })
	f.nothing()
	_, err = w.WriteString("done")
	f.must(err)
	f.must(w.Close())
	if c := f.take(); c.String() != "+new" || !contentOf(c.Tree, "new", "done") {
		t.Errorf("changes %q", c.String())
	}
}

// While one file never rests, the others come out.
func TestRestlessFile(t *testing.T) {
	const settle = 200 * time.Millisecond
	f := newFolder(t)
	f.write("a", "one")
	f.write("busy", "0")
	f.watch(Config{Settle: settle, MaxSettle: 500 * time.Millisecond})
	f.accept()
	for try := range 10 {
		quit, longest := make(chan struct{}), make(chan time.Duration)
		began := make(chan struct{})
		go func() {
			var gap time.Duration
			last := time.Now()
			for i := 0; ; i++ {
				_ = os.Remove(f.path("removed"))
				_ = os.WriteFile(f.path("busy"), []byte{byte(try), byte(i)}, 0o644)
				_ = os.WriteFile(f.path("removed"), []byte{byte(try)}, 0o644)
				gap, last = max(gap, time.Since(last)), time.Now()
				if i == 0 {
					close(began)
				}
				select {
				case <-quit:
					longest <- max(gap, time.Since(last))
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}()
		<-began // else there is nothing restless when a change of a is found
		f.write("a", fmt.Sprint("try ", try))
		first := f.take()
		f.w.SetBase(first.Tree)
		got := first.String()
		close(quit)
		if gap := <-longest; gap > settle/2 {
			t.Logf("the disk held up the restless writer for %s: once more", gap)
			f.accept()
			continue
		}
		if got != "~a" {
			t.Errorf("while another file never rests: %q", got)
		}
		// The two may come one after the other: the longest wait can end between them.
		want := "+removed ~busy"
		if try > 0 {
			want = "~busy ~removed"
		}
		if got := f.change(want); got != want {
			t.Errorf("when it rests: %q, want %q", got, want)
		}
		return
	}
	t.Skip("the disk was too slow for this test")
}

// Without the right to a lease only quiet time counts, and the status says so.
func TestNoLease(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	w, err := newWatcher(f.config(Config{Rescan: 20 * time.Millisecond}), nil)
	f.must(err)
	w.hasher.writerOpen = func(*os.File) (bool, error) { return false, noLease("no right to it") }
	w.start()
	f.use(w)
	f.accept()
	half, err := os.Create(f.path("a"))
	f.must(err)
	defer half.Close()
	_, err = half.WriteString("half")
	f.must(err)
	if got := f.change("~a"); got != "~a" {
		t.Error(got)
	}
	s := f.w.Status()
	if !strings.Contains(s.Degraded, "only quiet time counts: no right to it") || !strings.Contains(s.Degraded, "no directory is watched") {
		t.Errorf("degraded: %q", s.Degraded)
	}
	if n := strings.Count(f.log.String(), "no right to it"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, f.log)
	}
}

// Whoever begins to write while a file is being read is noticed.
func TestWriterDuringRead(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	root, err := os.OpenRoot(f.root)
	f.must(err)
	defer root.Close()
	info, err := root.Lstat("a")
	f.must(err)
	cfg := Config{}.withDefaults()
	for name, tc := range map[string]struct {
		second func() bool // at the second look for a writer
		want   verdict
	}{
		"none":       {func() bool { return false }, hashed},
		"has opened": {func() bool { return true }, busy},
	} {
		h := newHasher(&cfg, func() bool { return false })
		looks := 0
		h.writerOpen = func(*os.File) (bool, error) {
			looks++
			return looks == 2 && tc.second(), nil
		}
		file := &file{path: "a", stamp: stampOf(info)}
		if v, _ := h.read(root, file); v != tc.want || file.hashed != (v == hashed) {
			t.Errorf("%s: verdict %d, want %d", name, v, tc.want)
		}
	}
	h := newHasher(&cfg, func() bool { return false })
	h.writerOpen = func(*os.File) (bool, error) {
		f.write("a", "two and closed")
		return false, nil
	}
	changed := &file{path: "a", stamp: stampOf(info)}
	if v, _ := h.read(root, changed); v != moved || changed.hashed {
		t.Errorf("written meanwhile: verdict %d, want %d", v, moved)
	}
}

// A network file system grants leases for reasons of its own; they are not
// asked for there.
func TestNetworkFileSystem(t *testing.T) {
	cfg := Config{Settle: time.Second}.withDefaults()
	h := newHasher(&cfg, func() bool { return false })
	h.network = "NFS"
	h.writerOpen = func(*os.File) (bool, error) { t.Error("asked for a lease"); return true, nil }
	f := newFolder(t)
	f.write("a", "one")
	root, err := os.OpenRoot(f.root)
	f.must(err)
	defer root.Close()
	info, err := root.Lstat("a")
	f.must(err)
	now := time.Now()
	file := &file{path: "a", stamp: stampOf(info), seen: now.Add(-time.Hour)}
	if v, blind := h.read(root, file); v != hashed || blind != "" || !file.recheck.IsZero() {
		t.Errorf("verdict %d, %q, recheck %s", v, blind, file.recheck)
	}
	// The server's clock says nothing: the times come from the scans.
	file.seen = now
	if got := h.quietAt(file, now, cfg.Settle); !got.Equal(now.Add(time.Second)) {
		t.Errorf("quiet at %s, want a second after it was seen", got)
	}
	if v, _ := h.read(root, file); v != hashed || file.recheck.IsZero() {
		t.Error("a file that was just seen is not read again")
	}
}

// How long a file has been quiet is known from the system's time of its change, also
// when that came while a slow scan was under way.
func TestQuietAt(t *testing.T) {
	const settle = time.Second
	cfg := Config{Settle: settle}.withDefaults()
	h := newHasher(&cfg, nil)
	seen := time.Unix(1_700_000_000, 0)
	now := seen.Add(time.Minute)
	for name, tc := range map[string]struct{ changed, want time.Time }{
		"before the scan": {seen.Add(-time.Hour), seen.Add(-time.Hour)},
		"while it was on": {now.Add(-settle / 2), now.Add(-settle / 2)},
		"just now":        {now, now},
		"in the future":   {now.Add(time.Hour), seen},
	} {
		f := &file{stamp: stamp{ctime: tc.changed.UnixNano()}, seen: seen}
		if got := h.quietAt(f, now, settle); !got.Equal(tc.want.Add(settle)) {
			t.Errorf("%s: quiet at %s, want %s", name, got, tc.want.Add(settle))
		}
	}
}

// A file that changes without changing its stamp is found out if it was read
// soon after it had changed.
func TestRecheck(t *testing.T) {
	cfg := Config{Settle: 500 * time.Millisecond}.withDefaults()
	h := newHasher(&cfg, nil)
	whole := time.Unix(1_700_000_000, 0)
	fine := whole.Add(123_456_789)
	for _, tc := range []struct {
		name  string
		ctime time.Time
		began time.Time
		want  time.Duration // after began; 0: never
	}{
		{"fine, long ago", fine, fine.Add(time.Second), 0},
		{"fine, just now", fine, fine.Add(5 * time.Millisecond), fineStep},
		{"fine, from the near future", fine, fine.Add(-5 * time.Millisecond), fineStep},
		{"fine, from the far future", fine, fine.Add(-time.Hour), 0},
		{"coarse, a second ago", whole, whole.Add(time.Second), coarseStep},
		{"coarse, long ago", whole, whole.Add(2 * time.Second), 0},
	} {
		got := h.recheckAt(&file{stamp: stamp{ctime: tc.ctime.UnixNano()}}, tc.began)
		want := time.Time{}
		if tc.want > 0 {
			want = tc.began.Add(tc.want)
		}
		if !got.Equal(want) {
			t.Errorf("%s: %s, want %s", tc.name, got, want)
		}
	}
}

// The same, seen from outside: what was hashed is not what the folder holds.
func TestRecheckPublishes(t *testing.T) {
	f := newFolder(t)
	f.write("a", "old!")
	f.watch(Config{})
	f.accept()
	f.w.do(func() {
		a := f.w.root.file("a")
		a.sum[0]++ // as if it had been read before it was written again
		a.recheck = time.Now().Add(10 * time.Millisecond)
		f.w.recheckAt = a.recheck
		f.w.base = mustTree(t, Entry{Path: "a", Size: 4, SHA256: a.sum})
	})
	if c := f.take(); c.String() != "~a" || !contentOf(c.Tree, "a", "old!") {
		t.Errorf("changes %q", c.String())
	}
}

func mustTree(t testing.TB, entries ...Entry) *Tree {
	t.Helper()
	tree, err := NewTree(entries)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
