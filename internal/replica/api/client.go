package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/replica"
)

// Paths of the control API.
const (
	// Prefix begins all paths of the API.
	Prefix      = "/replica/v1/"
	pushPath    = Prefix + "push"
	digestPath  = Prefix + "digest"
	entriesPath = Prefix + "entries"
	fetchPath   = Prefix + "fetch"
)

// maxMessage bounds what is read of a message, in bytes: 1,000 entries with the longest
// paths and several authors each.
const maxMessage = 4 << 20

// Client calls other agents. With a way to name those that are alive it is a
// replica.Peers.
type Client struct {
	// Do sends a request to the named member's control API; gossip.Node.Do does.
	Do control.Do
	// Agents names the other agents that are alive. It must not wait.
	Agents func() []string
}

// Alive implements replica.Peers.
func (c Client) Alive() []string { return c.Agents() }

// push is the message of Push.
type push struct {
	Entries []replica.Entry `json:"entries"`
}

// Push implements replica.Peers. What is too large for one message goes in several.
func (c Client) Push(ctx context.Context, peer string, entries []replica.Entry) error {
	b, err := json.Marshal(push{entries})
	if err != nil {
		return fmt.Errorf("tell agent %s: %w", peer, err)
	}
	if len(b) > maxMessage && len(entries) > 1 {
		half := len(entries) / 2
		if err := c.Push(ctx, peer, entries[:half]); err != nil {
			return err
		}
		return c.Push(ctx, peer, entries[half:])
	}
	if err := c.ask(ctx, peer, pushPath, json.RawMessage(b), nil); err != nil {
		return fmt.Errorf("tell agent %s: %w", peer, noFolder(err))
	}
	return nil
}

// noFolder makes of the answer of an agent that replicates no folder what it means.
func noFolder(err error) error {
	if control.Refused(err, http.StatusNotFound) {
		return fmt.Errorf("%w: %w", replica.ErrNoFolder, err)
	}
	return err
}

// Digest implements replica.Peers.
func (c Client) Digest(ctx context.Context, peer string) (d replica.Digest, err error) {
	if err := c.ask(ctx, peer, digestPath, nil, &d); err != nil {
		return replica.Digest{}, fmt.Errorf("ask agent %s: %w", peer, noFolder(err))
	}
	return d, nil
}

// Entries implements replica.Peers.
func (c Client) Entries(ctx context.Context, peer string, p replica.Page) (e replica.Entries, err error) {
	if err := c.ask(ctx, peer, entriesPath, p, &e); err != nil {
		return replica.Entries{}, fmt.Errorf("ask agent %s: %w", peer, err)
	}
	return e, nil
}

// Fetch implements replica.Peers.
func (c Client) Fetch(ctx context.Context, peer string, blob replica.Blob) (io.ReadCloser, error) {
	b, err := json.Marshal(blob)
	if err != nil {
		return nil, fmt.Errorf("ask agent %s: %w", peer, err)
	}
	resp, err := c.Do.Send(ctx, peer, http.MethodPost, fetchPath, bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("ask agent %s: %w", peer, err)
	}
	return resp.Body, nil
}

// ask posts a message, or gets when there is none, and reads the answer.
func (c Client) ask(ctx context.Context, peer, path string, message, answer any) error {
	return c.Do.Call(ctx, peer, path, message, answer, maxMessage)
}

// Interface guard.
var _ replica.Peers = Client{}
