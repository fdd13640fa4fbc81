package house

import (
	"slices"
	"strings"
	"testing"
)

// floors are the storeys of the house, from the ground. A package imports what is
// on its own storey or below.
var floors = [][]string{
	{"internal"},
	{"gossip"},
	{"caddymodule", "agent"},
	{"."},
	{"cmd"},
	{"tests"},
}

func floor(t *testing.T, place string) int {
	t.Helper()
	for i, folders := range floors {
		for _, folder := range folders {
			if place == folder || folder != "." && in(place, folder) {
				return i
			}
		}
	}
	t.Errorf("%s has no storey: put it where the house has a place for it", place)
	return -1
}

func TestImportsPointDownward(t *testing.T) {
	own(t, func(from string, p pkg) {
		for _, path := range p.Imports {
			to, isOurs := strings.CutPrefix(path, module)
			if !isOurs {
				continue
			}
			to = place(module + to)
			if floor(t, to) > floor(t, from) {
				t.Errorf("%s imports %s, which is above it", from, to)
			}
		}
	})
}

// TestApart holds folders apart that know nothing of each other, over whatever way.
func TestApart(t *testing.T) {
	own(t, func(from string, p pkg) {
		for _, path := range append(slices.Clone(p.Deps), p.Imports...) {
			for _, rule := range []struct {
				from, to string
				except   []string
				why      string
			}{
				{"caddymodule", module + "/agent", nil, "the app loads the agent as a Caddy module"},
				{"agent", module + "/caddymodule", nil, "the app loads the agent as a Caddy module"},
				{"gossip", caddy, nil, "membership is tested and used without Caddy"},
				{"internal", caddy, []string{"internal/caddyconf"}, "only where Caddy's types are the point"},
				{"internal", module + "/gossip", nil, "internal packages are told what the cluster knows"},
				{"internal/front", module + "/internal/trust", nil, "requests know nothing of the cluster's keys"},
				{"internal/balance", module + "/internal/proxy", nil, "a choice knows nothing of connections"},
				{"internal/proxy", module + "/internal/balance", nil, "the way to a server knows nothing of the choice"},
				{"internal/proxy", module + "/internal/omflow", nil, "only internal/omflow and what composes it know OMFLOW"},
			} {
				if in(from, rule.from) && in(path, rule.to) && !slices.ContainsFunc(rule.except, func(e string) bool { return in(from, e) }) {
					t.Errorf("%s depends on %s: %s", from, path, rule.why)
				}
			}
		}
	})
}

// TestPure holds the packages that decide apart from all that acts.
func TestPure(t *testing.T) {
	for folder, forbidden := range map[string][]string{
		"internal/balance":         {"net", "os", "crypto/tls", "log", "syscall", "context"},
		"internal/cookie":          {"net", "os", "log", "time"},
		"internal/omflow/jsonscan": {"net", "os", "log", "time", "reflect", "encoding/json"},
	} {
		p, ok := packages(t)[module+"/"+folder]
		if !ok {
			t.Errorf("there is no %s", folder)
		}
		for _, path := range p.Imports {
			for _, f := range forbidden {
				if in(path, f) {
					t.Errorf("%s imports %s", folder, path)
				}
			}
		}
	}
}

// TestProgramOnly: what tests and demos stand in with is not in the data path.
func TestProgramOnly(t *testing.T) {
	own(t, func(from string, p pkg) {
		if !in(from, "internal") && !in(from, "gossip") && !in(from, "agent") || in(from, "internal/testbed") || in(from, "internal/demo") {
			return
		}
		for _, path := range p.Deps {
			if in(path, module+"/internal/testbed") || path == "testing" {
				t.Errorf("%s depends on %s", from, path)
			}
		}
	})
}
