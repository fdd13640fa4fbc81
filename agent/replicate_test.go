//go:build unix

package agent

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/omflow/booster/internal/replica"
	"github.com/omflow/booster/internal/rollout"
)

// slowPeer is another server with an empty folder, that tells so when it is opened.
type slowPeer struct{ open chan struct{} }

func (p slowPeer) Alive() []string { return []string{"s2"} }

func (p slowPeer) Push(context.Context, string, []replica.Entry) error { return nil }

func (p slowPeer) Digest(ctx context.Context, _ string) (replica.Digest, error) {
	select {
	case <-p.open:
		return replica.Digest{Since: time.Now()}, nil
	case <-ctx.Done():
		return replica.Digest{}, ctx.Err()
	}
}

func (p slowPeer) Entries(context.Context, string, replica.Page) (replica.Entries, error) {
	return replica.Entries{}, nil
}

func (p slowPeer) Fetch(context.Context, string, replica.Blob) (io.ReadCloser, error) {
	return nil, errors.New("there is nothing")
}

// TestLagging: a server that was away does not offer itself as the lead before it has
// the attachments that the others have.
func TestLagging(t *testing.T) {
	b := newBed(t)
	peer := slowPeer{make(chan struct{})}
	b.to.copies = peer
	uploads := t.TempDir()
	a := b.agent(func(a *Agent) { b.omflow()(a); a.Replicate = uploads })
	b.start(a, nil)
	lagging := b.to.waitAsk(t, "it runs, and lags", func(a rollout.Ask) bool { return a.Ready && a.Lagging })
	if lagging.Offer != 0 {
		t.Errorf("it offers itself: %+v", lagging)
	}
	close(peer.open)
	b.to.waitAsk(t, "it offers itself", func(a rollout.Ask) bool { return a.Offer != 0 && !a.Lagging })
}

// TestLaggingForLong: attachments that don't come do not keep a cluster without a lead.
func TestLaggingForLong(t *testing.T) {
	begun := time.Now()
	r := &replicating{}
	for _, c := range []struct {
		begun time.Time
		after time.Duration
		waits bool
	}{
		{time.Time{}, time.Hour, true}, // nobody is known yet
		{begun, 0, true},
		{begun, lagTime - 1, true},
		{begun, lagTime, false},
	} {
		r.begun = c.begun
		if lags, waits := r.lags(begun.Add(c.after)); !lags || waits != c.waits {
			t.Errorf("%s after %s: lags %t, waits %t", c.after, c.begun, lags, waits)
		}
	}
	r.caught.Store(true)
	if lags, waits := r.lags(begun); lags || waits {
		t.Errorf("caught up: lags %t, waits %t", lags, waits)
	}
}
