package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/omflow/booster/internal/release"
)

// TestOffer: agents hear of what others offer, and of nothing else.
func TestOffer(t *testing.T) {
	a := &agent{dir: t.TempDir()}
	n := newNodes(t)
	n.add("s2", AgentHandler(a, n.peer))
	good := []Content{{sum("x"), 1}, {sum("y"), 0}}
	if err := n.as("s1", false).Offer(t.Context(), []string{"s2"}, good...); err != nil {
		t.Fatal(err)
	}
	if a.from != "s1" || !slices.Equal(a.offered, good) {
		t.Errorf("%s offered %v", a.from, a.offered)
	}
	a.offered = nil
	if err := n.as("b", true).Offer(t.Context(), []string{"s2"}, good...); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a booster: %v", err)
	}
	if err := n.as("s1", false).Offer(t.Context(), []string{"s2", "s9"}, good...); err == nil || !strings.Contains(err.Error(), "s9") {
		t.Errorf("one that is not there: %v", err)
	}
	a.offered = nil
	for name, bad := range map[string][]Content{
		"nothing": nil, "without a hash": {{release.Hash{}, 1}}, "no size": {{sum("x"), -1}},
		"too many": slices.Repeat(good, MaxOffered),
	} {
		if err := n.as("s1", false).Offer(t.Context(), []string{"s2"}, bad...); err == nil {
			t.Errorf("%s was sent", name)
		}
		if err := offer(bad).Validate(); err == nil {
			t.Errorf("%s is valid", name)
		}
	}
	if err := n.as("s1", false).post(t.Context(), "s2", offerPath, http.NoBody, nil); err == nil || a.offered != nil {
		t.Errorf("an empty message: %v, %v", err, a.offered)
	}
}
