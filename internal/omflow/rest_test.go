package omflow

import "testing"

func TestREST(t *testing.T) {
	omflow, plain := DefaultTable(), PlainTable()
	for path, want := range map[string]bool{
		"/rest/flowmanage/api/omdata/edit/mission/": true,
		"/rest/x":      true,
		"/%72est/x":    true,
		"//rest/x":     true,
		"/a/../rest/":  false, // cleaned, it names no call
		"/a/../rest/x": true,
		"/restful/x":   false,
		"/a/rest/x":    false,
		"/":            false,
		"":             false,
	} {
		if got := omflow.REST(path); got != want {
			t.Errorf("REST(%q) = %v", path, got)
		}
		if plain.REST(path) {
			t.Errorf("%q is a REST path to a plain balancer", path)
		}
	}
}
