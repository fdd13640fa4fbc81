package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

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

const (
	// maxMessage bounds what is read of a message, in bytes: 1,000 entries with the
	// longest paths and several authors each.
	maxMessage = 4 << 20
	// maxRefusal bounds what is repeated of a refusal.
	maxRefusal = 300
)

// Client calls other agents. With a way to name those that are alive it is a
// replica.Peers.
type Client struct {
	// Do sends a request to the named member's control API; gossip.Node.Do does.
	Do func(ctx context.Context, member string, r *http.Request) (*http.Response, error)
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
	if err := c.ask(ctx, peer, http.MethodPost, pushPath, b, &struct{}{}); err != nil {
		return fmt.Errorf("tell agent %s: %w", peer, err)
	}
	return nil
}

// Digest implements replica.Peers.
func (c Client) Digest(ctx context.Context, peer string) (d replica.Digest, err error) {
	if err := c.ask(ctx, peer, http.MethodGet, digestPath, nil, &d); err != nil {
		return replica.Digest{}, fmt.Errorf("ask agent %s: %w", peer, err)
	}
	return d, nil
}

// Entries implements replica.Peers.
func (c Client) Entries(ctx context.Context, peer string, p replica.Page) (e replica.Entries, err error) {
	b, err := json.Marshal(p)
	if err == nil {
		err = c.ask(ctx, peer, http.MethodPost, entriesPath, b, &e)
	}
	if err != nil {
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
	resp, err := c.send(ctx, peer, http.MethodPost, fetchPath, b)
	if err != nil {
		return nil, fmt.Errorf("ask agent %s: %w", peer, err)
	}
	return resp.Body, nil
}

// ask sends a message, none if b is nil, and reads the answer.
func (c Client) ask(ctx context.Context, peer, method, path string, b []byte, answer any) error {
	resp, err := c.send(ctx, peer, method, path, b)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decode(resp.Body, answer)
}

// send sends a message and returns the answer, if it is one.
func (c Client) send(ctx context.Context, peer, method, path string, b []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(ctx, peer, r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // what came of it is enough
	said := strings.TrimSpace(strings.ToValidUTF8(string(text), "?"))
	if resp.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%w: %s", errNotFound, said)
	}
	return nil, fmt.Errorf("HTTP %d: %s", resp.StatusCode, said)
}

var errNotFound = errors.New("HTTP 404")

// decode reads one bounded JSON value.
func decode(r io.Reader, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, maxMessage+1))
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return fmt.Errorf("a message of more than %d bytes", maxMessage)
	}
	return json.Unmarshal(b, v)
}

// Interface guard.
var _ replica.Peers = Client{}
