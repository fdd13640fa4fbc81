package house

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestBuilds: xcaddy.json, go.mod and cmd/booster make one and the same program.
func TestBuilds(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	// xcaddy's Builder, as far as it is used here.
	var builder struct {
		CaddyVersion string `json:"caddy_version"`
		Plugins      []struct {
			ModulePath string `json:"module_path"`
			Version    string `json:"version"`
		} `json:"plugins"`
		Replacements []struct{ Old, New string } `json:"replacements"`
	}
	if err := json.Unmarshal(text, &builder); err != nil {
		t.Fatal(err)
	}
	all := packages(t)
	if v := all[caddy].Module.Version; v != builder.CaddyVersion {
		t.Errorf("xcaddy.json builds Caddy %s, go.mod %s", builder.CaddyVersion, v)
	}
	// xcaddy's program imports these two, and each plugin.
	want := []string{caddy + "/cmd", caddy + "/modules/standard"}
	for _, p := range builder.Plugins {
		want = append(want, p.ModulePath)
		// A plugin that is not this module must have the version of go.mod.
		if p.ModulePath != module && (all[p.ModulePath].Module == nil || all[p.ModulePath].Module.Version != p.Version) {
			t.Errorf("xcaddy.json has %s %s, go.mod does not", p.ModulePath, p.Version)
		}
	}
	got := slices.DeleteFunc(slices.Clone(all[module+"/cmd/booster"].Imports), func(path string) bool {
		return path == caddy // for its name; it adds no module
	})
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("cmd/booster imports\n%q, xcaddy.json stands for\n%q", got, want)
	}
	if !slices.Contains(want, module) {
		t.Error("xcaddy.json does not build this module")
	}
	// The root package is what `xcaddy build --with` imports.
	if got, want := all[module].Imports, []string{module + "/agent", module + "/caddymodule"}; !slices.Equal(got, want) {
		t.Errorf("the root package imports %q, not %q", got, want)
	}
	if len(builder.Replacements) > 0 {
		t.Error("xcaddy.json replaces modules: go.mod of this module must do so too, and others can't import it then")
	}
}
