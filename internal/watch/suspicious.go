package watch

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// minSuspicious is how many files may always vanish at once.
const minSuspicious = 10

// removals are those that were accepted lately: what takes files away slowly, or with
// pauses, is judged as a whole.
type removals struct {
	list []removal // oldest first
}

type removal struct {
	at time.Time
	n  int
}

// removalWindow is how long removals count together.
const removalWindow = 10 * time.Minute

func (r *removals) add(n int, now time.Time) {
	if n > 0 {
		r.list = append(r.list, removal{now, n})
	}
}

// recent counts those within the window, and forgets the others.
func (r *removals) recent(now time.Time) (n int) {
	r.list = slices.DeleteFunc(r.list, func(x removal) bool { return now.Sub(x.at) > removalWindow })
	for _, x := range r.list {
		n += x.n
	}
	return n
}

// accept notes which of the removals that were offered the new base has accepted. Those
// that somebody confirmed are meant, and do not count.
func (w *Watcher) accept(base *Tree, now time.Time) {
	if w.confirmed {
		w.removals = removals{}
	} else {
		n := 0
		for _, e := range w.removed {
			if _, ok := base.Get(e.Path); !ok {
				n++
			}
		}
		w.removals.add(n, now)
	}
	w.removed = nil
}

// suspicious says why a change must not be published, or "". A folder that is
// another one, but holds what the base says, is the folder from then on; without
// a base any is.
func (w *Watcher) suspicious(root *os.Root, change *Change) string {
	if w.confirmed || !w.hasBase || change.empty() {
		w.adopt()
		return ""
	}
	gone := len(change.Removed)
	before := w.removals.recent(time.Now())
	switch {
	case w.replaced:
		return "the folder was replaced by another, or a file system was mounted or unmounted there"
	case w.survey.remounted != "":
		return fmt.Sprintf("a file system was mounted or unmounted at %s", printable(w.survey.remounted))
	case gone > 0 && len(w.survey.files) == 0 && w.survey.dirs <= 1:
		if isEmpty(root) {
			return "the folder is empty"
		}
		return "nothing is left in the folder but what is not looked at"
	case gone > 0 && w.tooMany(gone+before, w.base.Len()+before):
		if before > 0 {
			return fmt.Sprintf("%d of %d files are gone, %d of them since less than %s", gone+before, w.base.Len()+before, before, removalWindow)
		}
		return fmt.Sprintf("%d of %d files are gone", gone, w.base.Len())
	}
	return ""
}

// tooMany tells whether so many removals must be confirmed.
func (w *Watcher) tooMany(gone, of int) bool {
	return gone > minSuspicious && float64(gone) > w.cfg.RemovalShare*float64(of)
}

// adopt makes the folder that is there the known one.
func (w *Watcher) adopt() {
	w.known, w.replaced, w.rootAt = w.present, false, time.Time{}
	if w.survey.remounted != "" {
		w.root.adopt()
		w.survey.remounted = ""
	}
}

func (d *dir) adopt() {
	d.home = d.id.dev
	for _, sub := range d.dirs {
		sub.adopt()
	}
}

func isEmpty(root *os.Root) bool {
	f, err := root.Open(".")
	if err != nil {
		return false
	}
	defer f.Close()
	names, _ := f.Readdirnames(1)
	return len(names) == 0
}
