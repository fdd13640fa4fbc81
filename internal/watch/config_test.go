package watch

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigValidate(t *testing.T) {
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		cfg  Config
		part string // of the error; empty: it is good
	}{
		{"defaults", Config{Root: root}, ""},
		{"all set", Config{Root: root, Settle: time.Second, MaxSettle: time.Second, Rescan: time.Second, MaxFiles: 1, MaxFileSize: 1,
			MaxDepth: 256, MaxPath: 1, RemovalShare: 1}, ""},
		{"a long settle time", Config{Root: root, Settle: time.Minute}, ""},
		{"no folder", Config{}, "no folder"},
		{"relative", Config{Root: "home"}, "must be absolute"},
		{"settle", Config{Root: root, Settle: -1}, "settle time is negative"},
		{"longest settle", Config{Root: root, Settle: time.Second, MaxSettle: time.Millisecond}, "shorter than the settle time"},
		{"longest settle, by default", Config{Root: root, MaxSettle: time.Millisecond}, "shorter than the settle time 500ms"},
		{"rescan", Config{Root: root, Rescan: -1}, "rescan interval is negative"},
		{"files", Config{Root: root, MaxFiles: -1}, "most files is negative"},
		{"size", Config{Root: root, MaxFileSize: -1}, "largest file is negative"},
		{"depth", Config{Root: root, MaxDepth: 257}, "at most 256"},
		{"path", Config{Root: root, MaxPath: -1}, "longest path is negative"},
		{"share", Config{Root: root, RemovalShare: 1.5}, "from 0 to 1"},
		{"share that is none", Config{Root: root, RemovalShare: math.NaN()}, "from 0 to 1"},
		{"rules", Config{Root: root, Rules: Rules{Include: []string{"../x"}}}, `include "../x"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.cfg.Validate()
			if (tc.part == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.part) {
				t.Errorf("error %v, want one with %q", err, tc.part)
			}
			if err == nil {
				return
			}
			if _, err := New(tc.cfg); err == nil {
				t.Error("New took what Validate refuses")
			}
		})
	}
}

func TestRescanIsJittered(t *testing.T) {
	cfg := Config{}.withDefaults()
	seen := make(map[time.Duration]bool)
	for range 200 {
		d := cfg.nextRescan()
		if d < 52500*time.Millisecond || d > 67500*time.Millisecond {
			t.Fatalf("rescan after %s", d)
		}
		seen[d] = true
	}
	if len(seen) < 100 {
		t.Errorf("only %d different intervals", len(seen))
	}
}
