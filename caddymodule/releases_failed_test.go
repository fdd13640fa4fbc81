package caddymodule

import (
	"net/http"
	"strings"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/testbed/observe"
)

// TestQuarantineSaysWhy: why a release is in quarantine holds what the server's agent said
// of it when it was given up, on one line, also when the server is well again.
func TestQuarantineSaysWhy(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	b.load(b.cluster(address, "", ""))
	s1 := newPatchAgent(t, "s1", address)
	one := s1.publish(s1.release(nil, map[string]string{"a.py": "1"}), api.Proposal{})
	s1.publish(s1.release(one, map[string]string{"a.py": "bad"}), api.Proposal{})
	s1.report(gossip.Report{State: gossip.ServerFailed, Reason: "the process does not stay up: its last output: \"RuntimeError:\x1b[2J boom\""})
	r := runningNode().conductor.releases
	observe.Succeeds(t, "the agent's word", func() error {
		reports := r.node.Reports()
		return whether(len(reports) == 1 && reports[0].State == gossip.ServerFailed)
	})
	if err := r.Releases().Failed(t.Context(), 2, "s1", "it was not well"); err != nil {
		t.Fatal(err)
	}
	s1.runs(3)
	const want = `server s1 did not do well with it: it was not well; its agent says: the process does not stay up: its last output: "RuntimeError: [2J boom"`
	var detail ReleaseDetail
	if err := b.api(http.MethodGet, "/omflow/releases/2", &detail); err != nil || detail.Reason != want {
		t.Errorf("the release says %q, %v", detail.Reason, err)
	}
	status, err := b.status()
	if err != nil {
		t.Fatal(err)
	}
	if got := status.Releases.Quarantined; len(got) != 1 || got[0].Reason != want || !strings.Contains(strings.Join(status.Problems, "\n"), want) {
		t.Errorf("the status says %+v and %q", got, status.Problems)
	}
	// Nothing is said for an agent that does not answer, or that has nothing to say.
	for _, server := range []string{"s1", "s9"} {
		if server == "s1" {
			observe.Succeeds(t, "the server is well", func() error { return whether(r.node.Reports()[0].State == gossip.ServerUp) })
		}
		if err := r.Releases().Failed(t.Context(), 2, server, "x"); err != nil {
			t.Fatal(err)
		}
		if err := b.api(http.MethodGet, "/omflow/releases/2", &detail); err != nil || strings.Contains(detail.Reason, "agent") {
			t.Errorf("of server %s the release says %q, %v", server, detail.Reason, err)
		}
	}
}

// TestKeptAsideProblem: one version that was kept aside is told of as one.
func TestKeptAsideProblem(t *testing.T) {
	kept := api.Conflict{Path: "a.py", Release: 2, File: "/srv/conflicts/2-s2/a.py"}
	for more, want := range map[int]string{
		0: "server s2 keeps a version of a.py that lost against a release in /srv/conflicts/2-s2/a.py: look at it and remove it",
		2: "server s2 keeps 3 versions of files that lost against a release, the newest of a.py in /srv/conflicts/2-s2/a.py: look at them and remove them",
	} {
		var s ReleasesStatus
		problems := s.add(standing{server: "s2", Standing: api.Standing{Conflicts: []api.Conflict{kept}, More: more}})
		if len(problems) != 1 || problems[0] != want {
			t.Errorf("with %d more: %q", more, problems)
		}
	}
}
