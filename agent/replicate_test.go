//go:build unix

package agent

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/replica"
	"github.com/omflow/booster/internal/rollout"
)

// away is another server, with one attachment that it does not hand out. It answers when
// it is told to.
type away struct{ answers chan struct{} }

func (p away) Alive() []string { return []string{"s2"} }

func (p away) Push(context.Context, string, []replica.Entry) error { return nil }

func (p away) Digest(ctx context.Context, _ string) (replica.Digest, error) {
	select {
	case <-p.answers:
	case <-ctx.Done():
		return replica.Digest{}, ctx.Err()
	}
	d := replica.Digest{Since: time.Now()}
	for i := range d.Buckets {
		d.Buckets[i] = 1 // whichever the attachment is in
	}
	return d, nil
}

func (p away) Entries(_ context.Context, _ string, page replica.Page) (replica.Entries, error) {
	const bucket = 0xc0 // SHA-256 of the path begins with it
	if page.Bucket != bucket {
		return replica.Entries{}, nil
	}
	return replica.Entries{Entries: []replica.Entry{{
		Path: "omformflow/mission/1/2/a.txt", Version: replica.Version{{Node: "s2", Counter: 1}}, Size: 1, SHA256: release.Hash{1},
	}}}, nil
}

func (p away) Fetch(context.Context, string, replica.Blob) (io.ReadCloser, error) {
	return nil, errors.New("not now")
}

// TestTellsWhatIsMissing: the boosters learn that a server has not compared its replicated
// folder with the others' yet, and then what it lacks.
func TestTellsWhatIsMissing(t *testing.T) {
	b := newBed(t)
	peer := away{make(chan struct{})}
	b.to.copies = peer
	uploads := t.TempDir()
	b.start(b.agent(func(a *Agent) { b.omflow()(a); a.Replicate = uploads }), nil)
	b.to.waitAsk(t, "it runs, and has not compared", func(a rollout.Ask) bool { return a.Ready && a.Uncompared })
	close(peer.answers)
	b.to.waitAsk(t, "it lacks a file", func(a rollout.Ask) bool { return !a.Uncompared && a.MissingFiles == 1 })
}

// TestTellsNothingOfNoFolder: without a replicated folder nothing is missing.
func TestTellsNothingOfNoFolder(t *testing.T) {
	b := newBed(t)
	b.start(b.agent(b.omflow()), nil)
	b.to.waitAsk(t, "it runs, and lacks nothing", func(a rollout.Ask) bool { return a.Ready && !a.Uncompared && a.MissingFiles == 0 })
}
