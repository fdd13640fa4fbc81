//go:build linux

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	// patchHome is how many files lie in the folder before, as many as in OMFLOW
	// Server's.
	patchHome = 4451
	// patchSettle is how long the booster waits for quiet here; the others' delays are
	// the shortest that they take.
	patchSettle = 100 * time.Millisecond
	// patchRest is between two measurements, for what the last one has left to do.
	patchRest = time.Second
	// patchPatience is how long one round may take.
	patchPatience = 2 * time.Minute
)

// errLate: not all peers have a patch when patchPatience is over.
var errLate = fmt.Errorf("not all peers have it within %s", patchPatience)

// patches are what is saved in a round.
var patches = []patchSize{{"1 × 10 kB", 1, 10 << 10}, {"1,000 × 4 kB", 1000, 4 << 10}, {"1 × 100 MB", 1, 100 << 20}}

type patchSize struct {
	name        string
	files, size int
}

// syncer brings what is saved in one folder to others.
type syncer interface {
	// start sets it up for so many peers, and returns when all have what the source
	// folder has.
	start(b *bench, dir string, source string, peers int) error
	// waits is how long it waits by itself before it does anything.
	waits() time.Duration
	// arrived tells whether all peers have the files of a folder, whole.
	arrived(folder string, p patchSize) (bool, error)
	// next ends a round.
	next() error
	// processorTime is what it has used, in seconds, and sent how many bytes the
	// source has written: to peers, and to its own disk.
	processorTime() (float64, error)
	sent() int64
}

// namedSyncer is a syncer and what was measured of it.
type namedSyncer struct {
	name string
	syncer
	source string
	took   []measured // of one patchSize
}

// measured is one round.
type measured struct {
	ms   float64
	cost float64 // of processors, in ms
	sent float64 // in sizes of what was saved
}

// values picks one figure of all rounds.
func values(all []measured, pick func(measured) float64) []float64 {
	out := make([]float64, len(all))
	for i, m := range all {
		out[i] = pick(m)
	}
	return out
}

func (n *namedSyncer) time() float64 {
	return median(values(n.took, func(m measured) float64 { return m.ms }))
}

// The plain copies are what the booster is compared with.
const (
	copyToOne = "plain copy, one peer"
	copyToAll = "plain copies, all peers"
	byCurl    = "nginx and curl, all peers"
	synced    = ", synced"
)

// syncers are those that are installed and whose names begin with by.
func syncers(by string) (list []*namedSyncer) {
	for _, s := range []struct {
		name string
		syncer
		needs []string
	}{
		{"booster, staged", &boosterSync{}, nil},
		{copyToAll, &plainSync{}, nil},
		{copyToOne, &plainSync{one: true}, nil},
		{copyToAll + synced, &plainSync{synced: true}, nil},
		{copyToOne + synced, &plainSync{one: true, synced: true}, nil},
		{byCurl, &curlSync{}, []string{"nginx", "curl"}},
		{byCurl + synced, &curlSync{synced: true}, []string{"nginx", "curl"}},
		{"inotify and rsync", &rsyncSync{}, []string{"bash", "inotifywait", "rsync"}},
		{"lsyncd", &lsyncdSync{}, []string{"lsyncd", "rsync"}},
		{"csync2", &csync2Sync{}, []string{"csync2"}},
		{"Syncthing", &syncthingSync{}, []string{"syncthing"}},
	} {
		missing := slices.DeleteFunc(s.needs, installed)
		switch {
		case !strings.HasPrefix(s.name, by):
		case len(missing) > 0:
			fmt.Printf("%s is left out: %s is not installed\n", s.name, missing[0])
		default:
			list = append(list, &namedSyncer{name: s.name, syncer: s.syncer})
		}
	}
	return list
}

// patch measures the time from a save to when all peers have it, by those whose names
// begin with by. Rounds go round them, so that what else the machine does meets all.
func (b *bench) patch(rounds, peers int, by string) error {
	all := syncers(by)
	fmt.Printf("From a save to all of %d peers on this machine, beside %d other files; median of %d rounds\n\n", peers, patchHome, rounds)
	for _, s := range all {
		dir := filepath.Join(b.dir, strings.Map(func(r rune) rune {
			if r == ' ' || r == ',' {
				return '-'
			}
			return r
		}, s.name))
		s.source = filepath.Join(dir, "source")
		if err := fillHome(s.source); err != nil {
			return err
		}
		if err := s.start(b, dir, s.source, peers); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "what\tby\twaits\tthen takes\t(min–max)\tprocessor time\tsource wrote\tto one plain copy\tto all\tto all synced\tto curl\tto curl, synced\t")
	for i, p := range patches {
		for round := range rounds {
			for _, s := range all {
				m, err := measurePatch(s.syncer, s.source, fmt.Sprintf("round%d-%d", i, round), p)
				if errors.Is(err, errLate) && !strings.HasPrefix(s.name, "booster") {
					// What it has left to do would be measured with the next round.
					fmt.Printf("%s is left out from round %d of %s on, and goes on beside the others: %v\n", s.name, round+1, p.name, err)
					all = slices.DeleteFunc(slices.Clone(all), func(o *namedSyncer) bool { return o == s })
					continue
				}
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, p.name, err)
				}
				s.took = append(s.took, m)
				fmt.Fprintf(os.Stderr, "round %d, %s, %s: %.0f ms\n", round+1, p.name, s.name, m.ms)
				time.Sleep(patchRest)
			}
		}
		for _, s := range all {
			s.print(t, p, all)
		}
		for _, s := range all {
			s.took = nil
		}
	}
	return t.Flush()
}

// print adds the row of one syncer to a table.
func (n *namedSyncer) print(t io.Writer, p patchSize, all []*namedSyncer) {
	lo, hi := minMax(values(n.took, func(m measured) float64 { return m.ms }))
	fmt.Fprintf(t, "%s\t%s\t%d ms\t%.0f ms\t(%.0f–%.0f)\t%.0f ms\t%.1f ×\t", p.name, n.name, n.waits().Milliseconds(), n.time(), lo, hi,
		median(values(n.took, func(m measured) float64 { return m.cost })), median(values(n.took, func(m measured) float64 { return m.sent })))
	for _, plain := range []string{copyToOne, copyToAll, copyToAll + synced, byCurl, byCurl + synced} {
		ratio := "–"
		if i := slices.IndexFunc(all, func(o *namedSyncer) bool { return o.name == plain }); i >= 0 {
			ratio = fmt.Sprintf("%.1f ×", n.time()/all[i].time())
		}
		fmt.Fprintf(t, "%s\t", ratio)
	}
	fmt.Fprintln(t)
}

// measurePatch saves files and waits until they have arrived.
func measurePatch(s syncer, source, folder string, p patchSize) (m measured, err error) {
	dir := filepath.Join(source, folder)
	content := make([]byte, p.size)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return m, err
	}
	before, err := s.processorTime()
	if err != nil {
		return m, err
	}
	sent := s.sent()
	for i := range p.files {
		_, _ = rand.Read(content) // never fails
		if err := os.WriteFile(filepath.Join(dir, fileName(i)), content, 0o644); err != nil {
			return m, err
		}
	}
	begun := time.Now()
	for {
		there, err := s.arrived(folder, p)
		if err != nil {
			return m, err
		}
		if there {
			break
		}
		if time.Since(begun) > patchPatience {
			return m, errLate
		}
		time.Sleep(2 * time.Millisecond)
	}
	took := max(0, time.Since(begun)-s.waits())
	after, err := s.processorTime()
	if err != nil {
		return m, err
	}
	m = measured{ms: took.Seconds() * 1000, cost: (after - before) * 1000, sent: float64(s.sent()-sent) / float64(p.files*p.size)}
	return m, s.next()
}

// fillHome makes a folder like OMFLOW Server's.
func fillHome(root string) error {
	for i := range patchHome {
		dir := filepath.Join(root, fmt.Sprintf("app%02d", i/100))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.py", i)), fmt.Appendf(nil, "# %d\n%s", i, strings.Repeat("x", 2000)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// fileName names the files of a patch.
func fileName(i int) string { return "f" + strconv.Itoa(i) }

// whole tells whether a folder has the files of a patch, all of their full size.
func whole(dir string, p patchSize) bool {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < p.files {
		return false
	}
	found := 0
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && info.Size() == int64(p.size) && !strings.HasPrefix(e.Name(), ".") {
			found++
		}
	}
	return found == p.files
}

// targets are folders in which files arrive under their own names.
type targets struct {
	folders   []string
	processes []*process
	copied    string // the newest folder that was copied, of those who watch nothing
}

// remove removes what was copied, from the source too, so that the disk does not run full.
func (t *targets) remove(source string) error {
	errs := []error{os.RemoveAll(filepath.Join(source, t.copied))}
	for _, root := range t.folders {
		errs = append(errs, os.RemoveAll(filepath.Join(root, t.copied)))
	}
	return errors.Join(errs...)
}

func (t *targets) arrived(folder string, p patchSize) (bool, error) {
	return !slices.ContainsFunc(t.folders, func(root string) bool { return !whole(filepath.Join(root, folder), p) }), nil
}

// same waits until all targets have as many files as the source at the beginning.
func (t *targets) same() error {
	last := filepath.Join(fmt.Sprintf("app%02d", (patchHome-1)/100), fmt.Sprintf("%04d.py", patchHome-1))
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		missing := slices.ContainsFunc(t.folders, func(root string) bool {
			_, err := os.Stat(filepath.Join(root, last))
			return err != nil
		})
		if !missing {
			time.Sleep(2 * time.Second) // for what else goes on at the start
			return nil
		}
		if time.Since(begun) > patchPatience {
			return fmt.Errorf("the first copy is not there within %s", patchPatience)
		}
	}
}

func (t *targets) next() error { return nil }

func (t *targets) processorTime() (sum float64, err error) {
	for _, p := range t.processes {
		used, err := p.allTime()
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// sent is what the first process, the source's, has written.
func (t *targets) sent() int64 { return t.processes[0].wrote() }

// allTime is processorTime with that of children that have ended.
func (p *process) allTime() (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	ended := 0.0
	for _, field := range fields[13:15] { // cutime, cstime: see proc(5)
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, err
		}
		ended += ticks
	}
	alive, err := p.processorTime()
	return alive + ended/100, err
}

// wrote is how many bytes the process and its children have written to anything.
func (p *process) wrote() (sum int64) {
	for _, pid := range p.all() {
		// What a child wrote that has ended counts as its parent's: see proc(5).
		io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		if err != nil {
			continue // it has just ended
		}
		for line := range strings.Lines(string(io)) {
			if n, ok := strings.CutPrefix(line, "wchar: "); ok {
				v, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
				sum += v
			}
		}
	}
	return sum
}
