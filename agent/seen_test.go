//go:build unix

package agent

import (
	"os"
	"syscall"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/patch"
	"github.com/omflow/booster/internal/rollout"
)

// settled answers that a follower which is started from now on has seen that.
func settled(epoch rollout.Epoch, release uint64) func(rollout.Ask) (rollout.Answer, error) {
	return func(rollout.Ask) (rollout.Answer, error) {
		return rollout.Answer{Term: 1, Part: rollout.Follower, Settled: rollout.Settled{Epoch: epoch, Release: release}}, nil
	}
}

// seen checks what each process has been said to have seen, at any time, by pid.
func (b *board) seen(t *testing.T, want map[int]string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.claims {
		if epoch, ok := want[r.PID]; !ok || r.Control != epoch {
			t.Errorf("process %d, %s, was said to have seen %q, not %q", r.PID, r.State, r.Control, epoch)
		}
	}
}

// TestSeen: what a server has seen is what was known before its process was started, whatever
// the agent hears later, and however the process is replaced.
func TestSeen(t *testing.T) {
	b := newBed(t)
	b.to.say(settled("booster-a=1", 0))
	a := b.agent(b.omflow())
	home := a.Home
	b.start(a, nil)
	first := b.to.wait(t, "up", up)
	next := func(epoch rollout.Epoch) {
		t.Helper()
		b.to.say(settled(epoch, 0))
		b.to.waitAsk(t, "it was heard of", func(a rollout.Ask) bool { return a.NextEpoch == epoch })
	}
	next("booster-a=2")
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := b.to.wait(t, "up after its death", upWithout(first.PID))
	next("booster-a=3")
	other := b.agent(func(a *Agent) { a.Home, a.Database = home, databaseNone }, os.Args[0], "child-web", b.server, "another")
	b.start(other, nil)
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	third := b.to.wait(t, "up with another command", upWithout(second.PID))
	next("booster-a=4")
	b.to.say(func(rollout.Ask) (rollout.Answer, error) {
		return rollout.Answer{Term: 1, Part: rollout.Follower, Restart: 7, Fast: true}, nil // of a booster that has nothing settled yet
	})
	fourth := b.to.wait(t, "up after an order", upWithout(third.PID))
	b.to.seen(t, map[int]string{first.PID: "booster-a=1", second.PID: "booster-a=2", third.PID: "booster-a=3", fourth.PID: "booster-a=4"})
}

// TestSeenWithFiles: who has not the files of a control change has not seen it.
func TestSeenWithFiles(t *testing.T) {
	b := newBed(t)
	f := &folder{state: patch.State{Applied: ref(4)}}
	b.to.say(settled("booster-a=1", 4))
	b.patching(f, nil)
	first := b.to.wait(t, "up", func(r gossip.Report) bool { return up(r) && r.Control == "booster-a=1" })
	b.to.say(settled("booster-a=2", 5))
	b.to.waitAsk(t, "it can't see that", func(a rollout.Ask) bool { return a.Epoch == "booster-a=1" && a.NextEpoch == "" })
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := b.to.wait(t, "up without the files", upWithout(first.PID))
	f.set(func(s *patch.State) { s.Applied = ref(5) })
	b.to.waitAsk(t, "the files are there, and the process is older", func(a rollout.Ask) bool { return a.Epoch == "" && a.NextEpoch == "booster-a=2" })
	b.to.seen(t, map[int]string{first.PID: "booster-a=1", second.PID: ""})
}
