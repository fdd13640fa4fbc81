package watch

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a test in which hours pass in no time. Nothing in it reports
// changes; the times of files are from outside and so from the future, which
// must not confuse the watcher either.
func bubble(t *testing.T, cfg Config, test func(f *folder)) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write("a", "one")
		f.watchWith(cfg, newFakeNotifier())
		f.w.SetBase(nil)
		if got := f.take().String(); got != "+a" {
			t.Fatal(got)
		}
		f.accept()
		time.Sleep(time.Hour)
		test(f)
		f.must(f.w.Close())
	})
}

// within takes the next change and checks when it comes.
func (f *folder) within(least, most time.Duration, want string) {
	f.Helper()
	began := time.Now()
	select {
	case c := <-f.w.Changes():
		if d := time.Since(began); d < least || d > most {
			f.Errorf("the change came after %s, want %s to %s", d, least, most)
		}
		if got := c.String(); got != want {
			f.Errorf("changes %q, want %q", got, want)
		}
		f.w.SetBase(c.Tree)
	case <-time.After(24 * time.Hour):
		f.Errorf("no change in a day, want %q", want)
	}
}

// never checks that no change comes for a day.
func (f *folder) never() {
	f.Helper()
	select {
	case c := <-f.w.Changes():
		f.Errorf("changes %q, want none", c.String())
	case <-time.After(24 * time.Hour):
	}
}

// Without any event a change is found by the next rescan, and is quiet for the
// settle time before it counts.
func TestRescanFinds(t *testing.T) {
	bubble(t, Config{Rescan: time.Minute, Settle: time.Second}, func(f *folder) {
		for _, step := range []struct {
			do   func()
			want string
		}{
			{func() { f.write("a", "two") }, "~a"},
			{func() { f.write("d/b", "b") }, "+d/b"},
			{func() { f.remove("d") }, "-d/b"},
		} {
			step.do()
			f.within(time.Second, 68500*time.Millisecond+time.Millisecond, step.want)
		}
		f.never()
	})
}

// What goes on changing from one look to the next is not quiet, though nothing
// reports it.
func TestSettleWithoutEvents(t *testing.T) {
	bubble(t, Config{Rescan: time.Minute, Settle: 10 * time.Second, MaxSettle: time.Hour}, func(f *folder) {
		f.write("a", "0")
		began := time.Now()
		for i := range 40 {
			time.Sleep(3 * time.Second)
			f.write("a", strings.Repeat("x", i))
			if len(f.w.changes) > 0 {
				t.Fatalf("a change after %s while the file is being written", time.Since(began))
			}
		}
		f.within(9*time.Second, 80*time.Second, "~a")
	})
}

// Directories in which a rescan found changes are looked at again before these
// count, so that what is being saved there comes out as one set.
func TestRescanLooksAgain(t *testing.T) {
	bubble(t, Config{Rescan: time.Minute, Settle: 10 * time.Second, MaxSettle: time.Hour}, func(f *folder) {
		f.write("d/b", "first")
		for f.w.Status().Files < 2 {
			time.Sleep(time.Second)
		}
		f.write("d/c", "second")
		f.within(10*time.Second, 30*time.Second, "+d/b +d/c")
	})
}

func TestPausedForLong(t *testing.T) {
	bubble(t, Config{Rescan: time.Minute, Settle: time.Second}, func(f *folder) {
		f.w.Pause()
		f.write("a", "two")
		f.never()
		f.w.Resume()
		f.within(time.Second, time.Second+time.Millisecond, "~a")
		f.w.Resume() // changes nothing
		f.never()
	})
}

// A wait that Pause interrupted begins anew: what Resume finds is as fresh as any.
func TestPausedWhileWaiting(t *testing.T) {
	bubble(t, Config{Rescan: time.Hour, Settle: time.Second, MaxSettle: 5 * time.Second}, func(f *folder) {
		f.w.do(func() { f.w.settler.activity(time.Now()) })
		f.w.Pause()
		f.never()
		f.remove("a")
		f.write("b", "b")
		f.w.Resume()
		f.within(time.Second, time.Second+time.Millisecond, "+b -a")
	})
}

// What could not be read is tried again by the next rescan, though its stamp is
// the same.
func TestUnreadableIsTriedAgain(t *testing.T) {
	bubble(t, Config{Rescan: time.Minute, Settle: time.Second}, func(f *folder) {
		f.w.do(func() {
			a := f.w.root.file("a")
			a.hashed, a.failure, f.w.stale, f.w.judge = false, "cannot be read: input/output error", true, true
		})
		time.Sleep(time.Second)
		if got := f.refused("a"); got == "" {
			f.Error("a file that cannot be read is not in the status")
		}
		time.Sleep(70 * time.Second)
		if got := f.refused("a"); got != "" {
			f.Errorf("still refused: %s", got)
		}
		f.never()
	})
}

// A folder that is missing is looked for each second.
func TestMissingFolderIsPolled(t *testing.T) {
	bubble(t, Config{Rescan: time.Hour, Settle: time.Second}, func(f *folder) {
		f.must(os.Rename(f.root, f.root+".away"))
		time.Sleep(2 * time.Hour)
		if s := f.w.Status().Suspicious; s != "the folder is not there" {
			f.Errorf("suspicious: %q", s)
		}
		f.must(os.WriteFile(f.root+".away/b", nil, 0o644))
		f.must(os.Rename(f.root+".away", f.root))
		f.within(time.Second, 2*time.Second+time.Millisecond, "+b")
		if s := f.w.Status().Suspicious; s != "" {
			f.Errorf("still suspicious: %q", s)
		}
	})
}

// So is one that another folder has taken the place of, as when its file system
// was unmounted.
func TestReplacedFolderIsPolled(t *testing.T) {
	bubble(t, Config{Rescan: time.Hour, Settle: time.Second}, func(f *folder) {
		f.must(os.Rename(f.root, f.root+".away"))
		f.write("a", "another")
		time.Sleep(2 * time.Hour)
		if s := f.w.Status().Suspicious; !strings.Contains(s, "was replaced") {
			f.Errorf("suspicious: %q", s)
		}
		f.remove("")
		f.must(os.Rename(f.root+".away", f.root))
		f.write("b", "b")
		f.within(time.Second, 2*time.Second+time.Millisecond, "+b")
	})
}

// A change that was taken and not accepted is not given again by itself.
func TestGivenOnce(t *testing.T) {
	bubble(t, Config{Rescan: time.Minute, Settle: time.Second}, func(f *folder) {
		f.write("a", "two")
		time.Sleep(2 * time.Minute)
		if got := f.take().String(); got != "~a" {
			f.Errorf("changes %q", got)
		}
		f.never()
		f.write("b", "b")
		f.within(time.Second, 70*time.Second, "+b ~a")
	})
}

// A writer that never ends holds its own file back, and for the longest settle
// time what was saved beside it.
func TestWriterForEver(t *testing.T) {
	knowsWriters(t)
	bubble(t, Config{Rescan: time.Minute, Settle: time.Second, MaxSettle: 10 * time.Second}, func(f *folder) {
		w, err := os.Create(f.path("a"))
		f.must(err)
		f.write("b", "beside")
		f.within(10*time.Second, 80*time.Second, "+b")
		select {
		case c := <-f.w.Changes():
			f.Errorf("changes %q while the writer is at work", c.String())
		case <-time.After(10 * time.Minute):
		}
		f.must(w.Close())
		f.within(0, 2*openPoll, "~a")
	})
}

// A hash that must be checked again, of a file that is being written, is void;
// the file is asked after as any other is that is open.
func TestRecheckOfOpenFile(t *testing.T) {
	bubble(t, Config{Rescan: time.Minute, Settle: time.Second, MaxSettle: 5 * time.Second}, func(f *folder) {
		looks := 0
		f.w.do(func() {
			f.w.hasher.writerOpen = func(*os.File) (bool, error) { looks++; return true, nil }
			a := f.w.root.file("a")
			a.sum[0]++
			a.recheck = time.Now()
			f.w.recheckAt = a.recheck
		})
		time.Sleep(10 * time.Second)
		f.w.do(func() {
			if looks < 80 || looks > 120 {
				f.Errorf("%d looks for a writer in 10s, want one each %s", looks, openPoll)
			}
			f.w.hasher.writerOpen = func(*os.File) (bool, error) { return false, nil }
		})
		f.write("b", "b")
		f.within(time.Second, 70*time.Second+time.Second, "+b")
	})
}

// Before there is a base nothing is read, and so nothing is waited for: what a Snapshot has
// left to be checked must not keep the goroutine busy until then.
func TestIdleWithoutBase(t *testing.T) {
	f := newFolder(t)
	f.write("a", "one")
	w, err := newWatcher(f.config(Config{}), newFakeNotifier())
	f.must(err)
	w.hasher.interrupt = func() bool { return false }
	_, err = w.snapshot(t.Context())
	f.must(err)
	a := w.root.file("a")
	a.recheck = time.Now() // as if it had been read in the moment in which it was written
	w.recheckAt = a.recheck
	for now := a.recheck.Add(time.Second); ; now = now.Add(time.Second) {
		w.step(now)
		next := w.next()
		if next.After(now) {
			break
		}
		if next.Equal(a.recheck) {
			t.Fatal("the next step is due already, and will be again after it")
		}
	}
	// With a base it is checked.
	a.sum[0]++
	w.base, w.hasBase, w.judge = nil, true, true
	w.step(time.Now().Add(time.Minute))
	select {
	case c := <-w.changes:
		if !contentOf(c.Tree, "a", "one") {
			t.Error("a hash that had to be checked was believed")
		}
	default:
		t.Error("no change")
	}
}
