package agent

import (
	"fmt"
	"strings"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/health"
	"github.com/omflow/booster/internal/supervise"
)

// maxReason bounds a report's reason, in bytes.
const maxReason = 512

// assess says what to report of a server and why. process is nil if the agent
// does not run it; checks is the zero value as long as nothing was asked.
func assess(process *supervise.Status, checks health.Status) (gossip.ServerState, string) {
	if process != nil {
		switch process.State {
		case supervise.Stopped:
			return gossip.ServerStopped, "the agent has stopped the process"
		case supervise.Starting:
			return gossip.ServerStarting, "the process is being started"
		case supervise.Stopping:
			return gossip.ServerDown, bound("the process is being stopped: " + process.Reason)
		case supervise.Backoff:
			return gossip.ServerDown, bound("the process is gone: " + process.Reason)
		case supervise.Fatal:
			return gossip.ServerFailed, bound("the process does not stay up: " + process.Reason)
		}
	}
	switch {
	case checks.Ready == health.Up:
		return gossip.ServerUp, ""
	case checks.Live == health.Down:
		return gossip.ServerDown, bound("the server does not answer: " + checks.LiveReason)
	case checks.Ready == health.Down:
		return gossip.ServerDown, bound("the server answers but is not ready: " + checks.ReadyReason)
	case checks.Live == health.Up && checks.ReadyReason != "":
		return gossip.ServerStarting, bound("the server answers but is not ready yet: " + checks.ReadyReason)
	case checks.LiveReason != "":
		return gossip.ServerStarting, bound("the server does not answer yet: " + checks.LiveReason)
	default:
		return gossip.ServerStarting, "the server was not checked yet"
	}
}

// hung says whether the process must be replaced, and why. A server whose live
// path nobody gave is not replaced for its health: that it is not ready may
// have causes that a new process does not cure.
func hung(process supervise.Status, checks health.Status, hasLive bool) (bool, string) {
	if process.State != supervise.Running || !hasLive || checks.Live != health.Down {
		return false, ""
	}
	return true, fmt.Sprintf("it hangs (%s)", checks.LiveReason)
}

// bound cuts a sentence to what a report may hold.
func bound(s string) string {
	if len(s) > maxReason {
		s = s[:maxReason-len("…")]
		return strings.ToValidUTF8(s, "") + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
