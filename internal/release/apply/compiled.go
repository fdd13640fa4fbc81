package apply

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/omflow/booster/internal/release/disk"
)

// cacheDir is where Python keeps what it compiled, in the folder of the source (PEP
// 3147).
const cacheDir = "__pycache__"

// dropCompiled removes what Python compiled from the files of the plan: it
// trusts a compiled file by its source's time and size.
func (a *Applier) dropCompiled(p *plan) error {
	sources := make(map[string]map[string]bool) // by folder, without .py
	for _, s := range p.Steps {
		if stem, ok := strings.CutSuffix(s.Path, ".py"); ok {
			i := strings.LastIndexByte(stem, '/') + 1
			if sources[stem[:i]] == nil {
				sources[stem[:i]] = make(map[string]bool)
			}
			sources[stem[:i]][stem[i:]] = true
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(sources)) {
		if err := a.dropFrom(folder+cacheDir, sources[folder]); err != nil {
			return err
		}
	}
	return nil
}

func (a *Applier) dropFrom(cache string, stems map[string]bool) error {
	info, err := a.tree.Lstat("look for compiled files", cache)
	if err != nil || !info.IsDir() {
		if errors.Is(err, disk.ErrNotFolder) {
			return nil // the folder is yet to be made where an old file was
		}
		return gone(err)
	}
	entries, err := a.tree.ReadDir("list compiled files", cache)
	if err != nil {
		return gone(err)
	}
	left := len(entries)
	for _, e := range entries {
		// models.cpython-311.pyc, models.cpython-311.opt-1.pyc
		stem, rest, _ := strings.Cut(e.Name(), ".")
		if !stems[stem] || !strings.HasSuffix(rest, ".pyc") || e.IsDir() {
			continue
		}
		if err := gone(a.tree.Remove("remove compiled file", cache+"/"+e.Name())); err != nil {
			return err
		}
		left--
	}
	if left > 0 {
		return nil
	}
	return a.removeEmpty("remove folder of compiled files", cache)
}

// dropLeft removes what Python compiled in a folder, when that holds nothing else any
// more: from sources that went long ago, or in the middle of which it was killed. As
// long as the folder is there, Python takes it for a package without modules (PEP 420),
// and to import what was removed succeeds.
func (a *Applier) dropLeft(folder string) error {
	info, err := a.tree.Lstat("look at emptied folder", folder)
	if err != nil || !info.IsDir() {
		if errors.Is(err, disk.ErrNotFolder) {
			return nil
		}
		return gone(err)
	}
	entries, err := a.tree.ReadDir("list emptied folder", folder)
	if err != nil || len(entries) != 1 || entries[0].Name() != cacheDir || !entries[0].IsDir() {
		return gone(err)
	}
	cache := folder + "/" + cacheDir
	compiled, err := a.tree.ReadDir("list compiled files left", cache)
	if err != nil {
		return gone(err)
	}
	for _, e := range compiled {
		if !e.Type().IsRegular() || !isCompiled(e.Name()) {
			return nil
		}
	}
	for _, e := range compiled {
		if err := gone(a.tree.Remove("remove compiled file left", cache+"/"+e.Name())); err != nil {
			return err
		}
	}
	return a.removeEmpty("remove folder of compiled files", cache)
}

// isCompiled reports whether Python writes files of this name: models.cpython-311.pyc,
// and models.cpython-311.pyc.140234 until it is whole.
func isCompiled(name string) bool {
	return strings.HasSuffix(name, ".pyc") || strings.Contains(name, ".pyc.")
}
