package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestUnwritableState: a booster that can't write down releases serves requests, and tells
// the operator. Root may write anywhere, so a file is in the folder's place.
func TestUnwritableState(t *testing.T) {
	b := newBed(t)
	s1 := newOrigin(t, "s1")
	if err := os.WriteFile(filepath.Join(b.state, "releases"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.load(b.cluster(freeAddress(t), "", fmt.Sprintf("server %s name=s1", s1.address)))
	b.await(map[string]string{"s1": "up"})
	if body, _, err := b.get("/"); err != nil || body != "s1" {
		t.Errorf("the site answers %q, %v", body, err)
	}
	s, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	told := func(problem string) bool {
		return strings.Contains(problem, "state_dir can't be read or written to") && strings.Contains(problem, filepath.Join(b.state, "releases"))
	}
	if !slices.ContainsFunc(s.Problems, told) || s.Releases == nil || s.Releases.Head != 0 {
		t.Errorf("problems %q, releases %+v", s.Problems, s.Releases)
	}
}
