package watch

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/omflow/booster/internal/testbed/observe"
)

// counting is a Config whose Copy tells of each reading of a file that is new.
func counting(cfg Config, c *copies) Config {
	cfg.Copy = func(int64) Copy {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.begun++
		return &kept{f: c}
	}
	return cfg
}

func (c *copies) read() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun
}

// driven is a Watcher whose steps a test takes, at times of its own.
func driven(f *folder, cfg Config) *Watcher {
	f.Helper()
	w, err := newWatcher(f.config(cfg), newFakeNotifier())
	f.must(err)
	w.hasher.interrupt = func() bool { return false }
	f.certain(time.Now())
	w.step(time.Now())
	root, err := os.OpenRoot(f.root)
	f.must(err)
	defer root.Close()
	w.read(root, time.Now(), pass{all: true})
	w.base, w.hasBase = w.survey.tree(nil, w.rules, func(string) bool { return true }), true
	return w
}

// save writes a file and tells the Watcher, and returns when its times are certain.
func (f *folder) save(w *Watcher, name, text string) (at time.Time) {
	f.Helper()
	f.write(name, text)
	at = time.Now()
	w.inbox.event(name, fsnotify.Create, w.rules, at)
	w.hear()
	f.certain(at)
	return at
}

// certain returns when a file that was written before at, and is hashed now, need not be
// read again because of its times.
func (f *folder) certain(at time.Time) {
	f.Helper()
	observe.Eventually(f, "times to be certain", func() bool { return time.Since(at) > 2*fineStep })
}

// TestReadAhead: what is quiet is hashed before it counts, and not again when it does;
// who writes the same file again meanwhile has it read once more, not each time.
func TestReadAhead(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	var c copies
	w := driven(f, counting(Config{Settle: 10 * time.Second, MaxSettle: time.Hour}, &c))
	step := func(at time.Time, reads int, published string) {
		t.Helper()
		w.step(at)
		if got := c.read(); got != reads {
			t.Errorf("read %d times, want %d", got, reads)
		}
		got := ""
		select {
		case c := <-w.changes:
			got = c.String()
			w.base = c.Tree
		default:
		}
		if got != published {
			t.Errorf("published %q, want %q", got, published)
		}
	}
	at := f.save(w, "new", "1")
	if want := at.Add(w.cfg.ahead()); !w.next().Equal(want) {
		t.Errorf("the next step is due at %s, want %s", w.next(), want)
	}
	step(at.Add(w.cfg.ahead()/2), 0, "")
	step(at.Add(w.cfg.ahead()), 1, "")
	if want := at.Add(w.cfg.Settle); !w.next().Equal(want) {
		t.Errorf("the next step is due at %s, want %s", w.next(), want)
	}
	step(at.Add(w.cfg.Settle), 1, "+new")

	f.save(w, "more", "1")
	at = f.save(w, "more", "22")
	step(at.Add(w.cfg.ahead()), 2, "")
	for _, text := range []string{"333", "4444"} {
		at = f.save(w, "more", text)
		step(at.Add(w.cfg.ahead()), 2, "")
		step(at.Add(w.cfg.Settle/2), 2, "")
	}
	step(at.Add(w.cfg.Settle), 3, "+more")
	if e, ok := w.base.Get("more"); !ok || e.Size != 4 {
		t.Errorf("published %v", e)
	}
}

// TestRecheckWaits: a hash that is to be checked while something else has yet to settle
// is checked with that, and nothing is looked at again and again until then.
func TestRecheckWaits(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	w := driven(f, Config{Settle: 10 * time.Second, MaxSettle: time.Hour})
	at := f.save(w, "new", "1")
	w.step(at.Add(w.cfg.ahead()))
	a := w.root.file("a")
	a.sum[0]++
	a.recheck = at.Add(2 * w.cfg.ahead())
	w.recheckAt = a.recheck
	w.step(a.recheck)
	if want := at.Add(w.cfg.Settle); !w.next().Equal(want) {
		t.Errorf("the next step is due at %s, want %s", w.next(), want)
	}
	w.step(at.Add(w.cfg.Settle))
	if e, _ := w.offered.Get("a"); !contentOf(w.offered, "a", "one") {
		t.Errorf("published %v", e)
	}
}

// TestWriterAfterReadAhead: who opens a file to write after it was read ahead is waited
// for all the same.
func TestWriterAfterReadAhead(t *testing.T) {
	knowsWriters(t)
	f := newFolder(t)
	f.write("a", "one")
	var c copies
	w := driven(f, counting(Config{Settle: 10 * time.Second, MaxSettle: time.Hour}, &c))
	at := f.save(w, "new", "first")
	w.step(at.Add(w.cfg.ahead()))
	if n := c.read(); n != 1 {
		t.Fatalf("read ahead %d times", n)
	}
	writer, err := os.OpenFile(f.path("new"), os.O_WRONLY|os.O_APPEND, 0)
	f.must(err)
	defer writer.Close()
	w.step(at.Add(w.cfg.Settle))
	if len(w.open) != 1 || len(w.changes) > 0 {
		t.Fatalf("open to a writer are %q, and %d changes are published", w.open, len(w.changes))
	}
	_, err = writer.WriteString(", second")
	f.must(err)
	f.must(writer.Close())
	f.certain(time.Now())
	at = at.Add(2 * w.cfg.Settle)
	w.inbox.event("new", fsnotify.Write, w.rules, at)
	w.hear()
	w.step(at.Add(w.cfg.Settle))
	select {
	case change := <-w.changes:
		if !contentOf(change.Tree, "new", "first, second") {
			t.Errorf("published %s", change)
		}
	default:
		t.Error("nothing is published")
	}
}

// TestOverdueReadAhead: what was read ahead and is too young to count is not published
// with what has waited for the longest time, nor taken for settled after a restart.
func TestOverdueReadAhead(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	w := driven(f, Config{Settle: 10 * time.Second, MaxSettle: 10*time.Second + fineStep})
	old := f.save(w, "old", "1")
	young := f.save(w, "young", "1") // more than fineStep later
	w.step(young.Add(w.cfg.ahead()))
	if young := w.root.file("young"); young == nil || !young.hashed {
		t.Fatal("it was not read ahead")
	}
	if cache := string(encodeCache(w.survey.files)); strings.Contains(cache, "young") {
		t.Error("a restart takes it for settled")
	}
	for _, s := range []struct {
		at   time.Time
		want string
	}{{old.Add(w.cfg.MaxSettle), "+old"}, {young.Add(w.cfg.Settle), "+old +young"}} {
		w.step(s.at)
		select {
		case change := <-w.changes:
			if change.String() != s.want {
				t.Errorf("published %q, want %q", change.String(), s.want)
			}
		default:
			t.Errorf("nothing is published, want %q", s.want)
		}
	}
}
