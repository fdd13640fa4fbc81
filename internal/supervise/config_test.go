package supervise

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	good := Config{Name: "s1", Command: []string{"python3"}, StateDir: "/state"}
	if err := good.Validate(); err != nil {
		t.Errorf("refused: %v", err)
	}
	for want, change := range map[string]func(*Config){
		"no name":          func(c *Config) { c.Name = "" },
		"no command":       func(c *Config) { c.Command = nil },
		"no command ":      func(c *Config) { c.Command = []string{""} },
		"NUL":              func(c *Config) { c.Command = []string{"a\x00b"} },
		"write NAME=value": func(c *Config) { c.Env = []string{"NAME"} },
		"NAME=value":       func(c *Config) { c.Env = []string{"=value"} },
		"no state folder":  func(c *Config) { c.StateDir = "" },
		"stop grace":       func(c *Config) { c.StopGrace = -1 },
		"quick exit":       func(c *Config) { c.QuickExit = -1 },
		"longer than":      func(c *Config) { c.BackoffMin, c.BackoffMax = 2, 1 },
		"quick exits":      func(c *Config) { c.FatalAfter = -1 },
	} {
		cfg := good
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%q: error %v", want, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	cfg := Config{Name: "s1", BackoffMin: time.Second, BackoffMax: 30 * time.Second}
	different := false
	for quick, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1000: 30 * time.Second,
	} {
		first := cfg.backoff(quick)
		for range 100 {
			got := cfg.backoff(quick)
			if got < want || got > want+want/4 {
				t.Errorf("backoff(%d) = %s, want %s and at most a quarter more", quick, got, want)
			}
			different = different || got != first
		}
	}
	if !different {
		t.Error("there is no jitter")
	}
}

func TestHash(t *testing.T) {
	base := Config{Command: []string{"a", "b"}, Dir: "/d", Env: []string{"E=1"}}
	same := Config{Name: "other", Command: []string{"a", "b"}, Dir: "/d", Env: []string{"E=1"}, StopGrace: 5}
	if base.hash() != same.hash() {
		t.Error("what is not run changes the hash")
	}
	for _, other := range []Config{
		{Command: []string{"a b"}, Dir: "/d", Env: []string{"E=1"}},
		{Command: []string{"a", "b", "/d"}, Env: []string{"E=1"}},
		{Command: []string{"a", "b"}, Dir: "/e", Env: []string{"E=1"}},
		{Command: []string{"a", "b"}, Dir: "/d", Env: []string{"E=2"}},
		{Command: []string{"a", "b"}, Dir: "/d"},
	} {
		if other.hash() == base.hash() {
			t.Errorf("%+v has the same hash as %+v", other, base)
		}
	}
}
