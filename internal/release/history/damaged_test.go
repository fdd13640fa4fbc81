package history

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamagedQuarantine: a release in quarantine stays there when the file that says so is
// damaged, and the start goes on.
func TestDamagedQuarantine(t *testing.T) {
	all := chain(t, nil, "1", "2", "3")
	for name, bad := range map[string]string{
		"cut off": `[
	{
		"release": {`,
		"empty": "", "zeros": "\x00\x00\x00\x00", "another type": `{"a":1}`,
		"not a release": `[{"release":{"number":2,"hash":"00"},"reason":"x"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, 0)
			propose(t, l, all...)
			for i, reason := range []string{"well again", "too slow", strings.Repeat("\x01", maxReason)} {
				if err := l.Quarantine(all[i].Ref(), reason); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Clear(all[0].Ref()); err != nil {
				t.Fatal(err)
			}
			// Lines that are none do not hide the others.
			path := filepath.Join(dir, publishedFile)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			garbage := append(bytes.Repeat([]byte("x"), 3*maxRecord), "\n{\"time\":\n"...)
			if err := os.WriteFile(path, append(garbage, b...), 0o600); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, quarantineFile)
			if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // and it is the file's again after that
				l = open(t, dir, 0)
				for i, want := range []bool{false, true, true} {
					if got := l.QuarantineReason(all[i].Ref()) != ""; got != want {
						t.Errorf("release %d in quarantine: %t", i+1, got)
					}
				}
				if b, err := os.ReadFile(file + ".damaged"); err != nil || string(b) != bad {
					t.Errorf("aside: %q, %v", b, err)
				}
				if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
		})
	}
}
