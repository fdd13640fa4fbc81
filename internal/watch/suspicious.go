package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

// minSuspicious is how many files may always vanish at once.
const minSuspicious = 10

// finding is what is suspicious about the folder, of which somebody may say that it is
// meant. It stands for what it names, and for nothing that vanishes later.
type finding struct {
	gone   map[string]bool // files
	folder os.FileInfo     // the folder is this one now; nil: it is the known one
	mount  string          // a file system has come or gone there; "": none has
	name   string          // see sign; "" until somebody is asked about it
}

// sign names the finding by a short hash of all that it is about, for Status.Finding.
func (m *finding) sign() {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(m.gone)) {
		_, _ = h.Write(append([]byte(path), 0)) // a hash can't fail
	}
	if m.folder != nil {
		fmt.Fprintf(h, "\x00folder %v", idOf(m.folder))
	}
	fmt.Fprintf(h, "\x00mount %s", m.mount)
	m.name = hex.EncodeToString(h.Sum(nil)[:4])
}

// named is its name, "" when there is none or nobody is asked about it.
func (m *finding) named() string {
	if m == nil {
		return ""
	}
	return m.name
}

// but counts the files that are not in what is meant.
func (m *finding) but(lost []Entry) int {
	if m == nil {
		return len(lost)
	}
	n := 0
	for _, e := range lost {
		if !m.gone[e.Path] {
			n++
		}
	}
	return n
}

// still is what is left of it when these are the files that are gone, nil if nothing is:
// one that came back and goes again is asked about again.
func (m *finding) still(lost []Entry) *finding {
	if m == nil {
		return nil
	}
	gone := make(map[string]bool)
	for _, e := range lost {
		if m.gone[e.Path] {
			gone[e.Path] = true
		}
	}
	if len(gone) == 0 && m.folder == nil && m.mount == "" {
		return nil
	}
	return &finding{gone: gone, folder: m.folder, mount: m.mount}
}

func (m *finding) isFolder(there os.FileInfo) bool {
	return m != nil && m.folder != nil && os.SameFile(m.folder, there)
}

func (m *finding) isMount(path string) bool { return m != nil && m.mount == path }

// accept notes which of the removals that were offered the new base has accepted. Those
// that somebody confirmed are meant, and do not count, nor do the earlier ones, which
// were told with them.
func (w *Watcher) accept(base *Tree, now time.Time) {
	var accepted []Entry
	for _, e := range w.removed {
		if _, ok := base.Get(e.Path); !ok {
			accepted = append(accepted, e)
		}
	}
	var err error
	if w.meant != nil {
		err = w.removals.reset()
	}
	if err == nil {
		err = w.removals.add(w.meant.but(accepted), now)
	}
	if err != nil {
		w.say("removals", "a restart forgets what was removed lately", "error", err)
	}
	w.removed = nil
}

// suspicious says why a change must not be published, and what that is about; or "". A
// folder that is another one, but holds what the base says, is the folder from then on;
// without a base any is.
func (w *Watcher) suspicious(root *os.Root, change *Change) (reason string, about *finding) {
	if !w.hasBase || change.empty() {
		w.adopt()
		return "", nil
	}
	lost := change.lost()
	about = &finding{gone: make(map[string]bool, len(lost)), mount: w.survey.remounted}
	for _, e := range lost {
		about.gone[e.Path] = true
	}
	if w.replaced {
		about.folder = w.present
	}
	gone := w.meant.but(lost)
	of, before := w.base.Len()-(len(lost)-gone), 0
	if w.meant == nil {
		before = w.removals.recent(time.Now())
	}
	switch {
	case w.replaced && !w.meant.isFolder(w.present):
		return "the folder was replaced by another, or a file system was mounted or unmounted there", about
	case w.survey.remounted != "" && !w.meant.isMount(w.survey.remounted):
		return fmt.Sprintf("a file system was mounted or unmounted at %s", printable(w.survey.remounted)), about
	case gone > 0 && len(w.survey.files) == 0 && w.survey.dirs <= 1:
		if isEmpty(root) {
			return "the folder is empty", about
		}
		return "nothing is left in the folder but what is not looked at", about
	case gone > 0 && w.tooMany(gone+before, of+before):
		if before > 0 {
			return fmt.Sprintf("%d of %d files are gone, %d of them since less than %s", gone+before, of+before, before, removalWindow), about
		}
		return fmt.Sprintf("%d of %d files are gone", gone, of), about
	}
	if w.meant != nil {
		w.adopt()
		w.meant.folder, w.meant.mount = nil, ""
	}
	return "", nil
}

// tooMany tells whether so many removals must be confirmed.
func (w *Watcher) tooMany(gone, of int) bool {
	return gone > minSuspicious && float64(gone) > w.cfg.RemovalShare*float64(of)
}

// adopt makes the folder that is there the known one.
func (w *Watcher) adopt() {
	w.know(w.present)
	w.replaced, w.rootAt = false, time.Time{}
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
