package caddymodule

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/release/api"
	"github.com/omflow/booster/internal/replica"
	replicas "github.com/omflow/booster/internal/replica/api"
	"github.com/omflow/booster/internal/testbed/observe"
)

// copier is an agent's replica.
type copier struct {
	mu     sync.Mutex
	status replica.Status
	told   string
}

func (c *copier) Receive(string, []replica.Entry) error         { return nil }
func (c *copier) Digest() (replica.Digest, error)               { return replica.Digest{}, nil }
func (c *copier) Entries(replica.Page) (replica.Entries, error) { return replica.Entries{}, nil }
func (c *copier) Open(context.Context, replica.Blob) (io.ReadCloser, error) {
	return nil, replica.ErrNotHere
}

func (c *copier) Status() replica.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

func (c *copier) tell(what string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Suspicious == "" {
		return errors.New("there is none that waits for it")
	}
	c.told, c.status.Suspicious = what, ""
	return nil
}

func (c *copier) ConfirmRemoval(finding string) error { return c.tell("confirm " + finding) }
func (c *copier) Restore() error                      { return c.tell("restore") }

// TestLost: the status says which files are gone, and an operator what to make of them.
func TestLost(t *testing.T) {
	b := newBed(t)
	address := freeAddress(t)
	b.load(b.cluster(address, "", ""))
	s1 := newPatchAgent(t, "s1", address)
	c := &copier{status: replica.Status{Files: 7, Missing: 2, Degraded: "a disk is full"}}
	mux := http.NewServeMux()
	mux.Handle(api.Prefix, api.AgentHandler(s1, gossip.Sender))
	mux.Handle(replicas.Prefix, replicas.Handler(c, gossip.Sender))
	s1.node.SetHandler(mux)
	newPatchless(t, "s2", address)
	var status Status
	problem := func(part string) func() error {
		return func() error {
			var err error
			if status, err = b.status(); err != nil {
				return err
			}
			return whether(strings.Contains(strings.Join(status.Problems, "\n"), part))
		}
	}
	observe.Succeeds(t, "the replica's status", problem("server s1 does not copy all of its replicated folder: a disk is full"))
	if len(status.Replicas) != 1 || status.Replicas[0].Server != "s1" || status.Replicas[0].Files != 7 || status.Replicas[0].Missing != 2 {
		t.Errorf("%+v", status.Replicas)
	}
	var done LostDone
	post := func(path string) error { return b.api(http.MethodPost, "/omflow/releases"+path, &done) }
	for path, want := range map[string]string{
		"/confirm/s1?finding=1a2b":       "status 409: ", // nothing is gone
		"/confirm/s1":                    "status 400",
		"/confirm/s9":                    "status 404",
		"/confirm/s2/patch?finding=1a2b": "status 404",
		"/restore/s2":                    "status 409",
		"/confirm/s1/uploads":            "status 404",
	} {
		if err := post(path); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(want, ": ")) {
			t.Errorf("%s: %v, not %s", path, err, want)
		}
	}
	if err := b.api(http.MethodGet, "/omflow/releases/confirm/s1", new(string)); err == nil || !strings.Contains(err.Error(), "status 405") {
		t.Errorf("GET: %v", err)
	}

	s1.mu.Lock()
	s1.standing.Suspicious, s1.standing.Finding = "21 of 40 files are gone", "1a2b3c4d"
	s1.mu.Unlock()
	observe.Succeeds(t, "the problem", problem("server s1: its patch folder is left alone, for 21 of 40 files are gone: `booster omflow releases restore s1 patch` brings the files back, `… confirm s1 patch 1a2b3c4d` removes"))
	if lost := status.Releases.Lost; len(lost) != 1 || lost[0] != (LostStatus{"s1", "21 of 40 files are gone", "1a2b3c4d"}) {
		t.Errorf("%+v", lost)
	}
	if err := post("/confirm/s1?finding=5e6f"); err == nil || !strings.Contains(err.Error(), "status 409") || !strings.Contains(err.Error(), "has changed since") || s1.lost != "" {
		t.Errorf("something that was not shown is confirmed: told %q, %v", s1.lost, err)
	}
	if err := post("/confirm/s1?finding=1a2b3c4d"); err != nil || done != (LostDone{"s1", "patch", "confirm"}) || s1.lost != api.Confirm {
		t.Errorf("confirm: %+v, told %q, %v", done, s1.lost, err)
	}
	c.mu.Lock()
	c.status.Suspicious, c.status.Finding = "the folder is empty", "5e6f7a8b"
	c.mu.Unlock()
	observe.Succeeds(t, "both", problem("its replicate folder is left alone, for the folder is empty"))
	if err := post("/restore/s1"); err == nil || !strings.Contains(err.Error(), "say which one") {
		t.Errorf("of two folders one was chosen: %v", err)
	}
	if len(status.Replicas) != 1 || status.Replicas[0].Finding != "5e6f7a8b" {
		t.Errorf("%+v", status.Replicas)
	}
	if err := post("/restore/s1/replicate"); err != nil || done.Folder != "replicate" || c.told != "restore" {
		t.Errorf("restore: %+v, told %q, %v", done, c.told, err)
	}
	if err := post("/restore/s1/patch"); err != nil || s1.lost != api.Restore {
		t.Errorf("restore: told %q, %v", s1.lost, err)
	}
}
