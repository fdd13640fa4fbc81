package agent

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/supervise"
)

func TestAssess(t *testing.T) {
	running := &supervise.Status{State: supervise.Running}
	well := health.Status{Live: health.Up, Ready: health.Up}
	for _, tt := range []struct {
		name    string
		process *supervise.Status
		checks  health.Status
		state   gossip.ServerState
		reason  string // part of it
	}{
		{"not asked yet", running, health.Status{}, gossip.ServerStarting, "not checked yet"},
		{"well", running, well, gossip.ServerUp, ""},
		{"well, not ours", nil, well, gossip.ServerUp, ""},
		{"one failure", running, health.Status{Live: health.Up, Ready: health.Up, ReadyReason: "x"}, gossip.ServerUp, ""},
		{"coming up", running, health.Status{LiveReason: "connection refused", ReadyReason: "connection refused"},
			gossip.ServerStarting, "does not answer yet: connection refused"},
		{"live, not ready yet", running, health.Status{Live: health.Up, ReadyReason: "no database"},
			gossip.ServerStarting, "not ready yet: no database"},
		{"live, not ready", running, health.Status{Live: health.Up, Ready: health.Down, ReadyReason: "no database"},
			gossip.ServerDown, "is not ready: no database"},
		{"hangs", running, health.Status{Live: health.Down, Ready: health.Down, LiveReason: "no answer"},
			gossip.ServerDown, "does not answer: no answer"},
		{"not ours, does not answer", nil, health.Status{Live: health.Down, Ready: health.Down, LiveReason: "refused"},
			gossip.ServerDown, "does not answer: refused"},
		{"answered again, rising", running, health.Status{Live: health.Up, Ready: health.Down}, gossip.ServerDown, "not ready"},
		{"stopped", &supervise.Status{State: supervise.Stopped}, well, gossip.ServerStopped, "stopped"},
		{"starting", &supervise.Status{State: supervise.Starting}, well, gossip.ServerStarting, "being started"},
		{"stopping", &supervise.Status{State: supervise.Stopping, Reason: "it hangs"}, well, gossip.ServerDown, "it hangs"},
		{"gone", &supervise.Status{State: supervise.Backoff, Reason: "exit status 7"}, well, gossip.ServerDown, "exit status 7"},
		{"given up", &supervise.Status{State: supervise.Fatal, Reason: "5 quick exits"}, well, gossip.ServerFailed, "5 quick exits"},
		{"a long reason", &supervise.Status{State: supervise.Fatal, Reason: strings.Repeat("錯", 400)}, well, gossip.ServerFailed, "錯…"},
		{"bytes that are no text", &supervise.Status{State: supervise.Fatal, Reason: "a\xffb"}, well, gossip.ServerFailed, "a?b"},
	} {
		state, reason := assess(tt.process, tt.checks)
		if state != tt.state || !strings.Contains(reason, tt.reason) || (tt.reason == "") != (reason == "") {
			t.Errorf("%s: %s (%s), want %s (%s)", tt.name, state, reason, tt.state, tt.reason)
		}
		if len(reason) > maxReason || !utf8.ValidString(reason) {
			t.Errorf("%s: no report can hold the reason %q", tt.name, reason)
		}
	}
}

func TestHung(t *testing.T) {
	down := health.Status{Live: health.Down, Ready: health.Down, LiveReason: "no answer"}
	for _, tt := range []struct {
		name    string
		state   supervise.State
		checks  health.Status
		hasLive bool
		want    bool
	}{
		{"hangs", supervise.Running, down, true, true},
		{"nobody said what live means", supervise.Running, down, false, false},
		{"not ready only", supervise.Running, health.Status{Live: health.Up, Ready: health.Down}, true, false},
		{"not known yet", supervise.Running, health.Status{LiveReason: "refused"}, true, false},
		{"being replaced already", supervise.Stopping, down, true, false},
		{"gone", supervise.Backoff, down, true, false},
	} {
		got, why := hung(supervise.Status{State: tt.state}, tt.checks, tt.hasLive)
		if got != tt.want || got && !strings.Contains(why, "no answer") {
			t.Errorf("%s: %v (%s)", tt.name, got, why)
		}
	}
}
