package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSchedules: a Python without collections.Hashable is told of where OMFLOW uses it,
// and only there.
func TestSchedules(t *testing.T) {
	const use = "import collections\nif not all(isinstance(t, collections.Hashable) for t in tags):\n    pass\n"
	for name, tt := range map[string]struct {
		source   string
		file     string
		python   string
		hashable bool
		told     bool
	}{
		"OMFLOW 1.1.0.0":     {use, "omflow/syscom/schedule_base.py", "3.11.2", false, true},
		"put back":           {use, "omflow/syscom/schedule_base.py", "3.11.2", true, false},
		"not read":           {use, "omflow/syscom/schedule_base.py", "", false, false},
		"mended":             {strings.ReplaceAll(use, "collections.", "collections.abc."), "omflow/syscom/schedule_base.py", "3.11.2", false, false},
		"only in a comment":  {"# it was collections.Hashable\n", "omflow/syscom/schedule_base.py", "3.11.2", false, false},
		"another's code":     {use, "omformflow/production/x/1/main.py", "3.11.2", false, false},
		"no Python":          {use, "omflow/syscom/notes.txt", "3.11.2", false, false},
		"beyond what counts": {strings.Repeat("#\n", maxSource/2) + use, "omflow/syscom/schedule_base.py", "3.11.2", false, false},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, filepath.FromSlash(tt.file))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(tt.source), 0o644); err != nil {
			t.Fatal(err)
		}
		err := Settings{Python: tt.python, Hashable: tt.hashable}.Schedules(dir)
		if (err != nil) != tt.told {
			t.Errorf("%s: %v", name, err)
		}
		// Longer, it would be cut where all nodes are told of it.
		if err != nil && (!strings.Contains(err.Error(), "Python 3.11.2 has") || !strings.Contains(err.Error(), tt.file) || len(err.Error()) > 240) {
			t.Errorf("%s: %d bytes: %v", name, len(err.Error()), err)
		}
	}
}

// TestHashable: what Python says of it is what OMFLOW will find.
func TestHashable(t *testing.T) {
	const back = "\nimport collections.abc; collections.Hashable = collections.abc.Hashable\n"
	if s := mustRead(t, home(t, map[string]string{"omflow/settings.py": shipped + back})); !s.Hashable {
		t.Error("what settings.py puts back is not seen")
	}
	s := mustRead(t, home(t, map[string]string{"omflow/settings.py": shipped + "\nimport collections\nvars(collections).pop('Hashable', None)\n"}))
	if s.Hashable {
		t.Error("it is seen where there is none")
	}
}
