package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/release"
	"github.com/omflow/booster/internal/release/history"
	"github.com/omflow/booster/internal/rollout"
)

// Paths of the control API.
const (
	prefix       = "/release/v1/"
	proposePath  = prefix + "propose"
	followPath   = prefix + "follow"
	actPath      = prefix + "act"
	announcePath = prefix + "announce"
	publishPath  = prefix + "publish"
	lostPath     = prefix + "lost"
	offerPath    = prefix + "offer"
	blobsPath    = prefix + "blobs"
	chainPath    = prefix + "chain"
	headPath     = prefix + "head"
	standingPath = prefix + "standing"
)

// Prefix begins the paths that the handlers answer.
const Prefix = prefix

// Client calls other nodes. Calls end with their context; those that stream end also
// when the stream stands still for StallTime.
type Client struct {
	// Do sends a request to the named member's control API; gossip.Node.Do does.
	Do control.Do
	// Stream is Do for contents of files; gossip.Node.DoStream is. Default: Do.
	Stream control.Do
}

// Propose asks a booster to number a release, and returns the number, which is the
// manifest's own. The error matches rollout.ErrNotActive when the other booster is to
// be asked, is a *history.StaleError when the release is to be rebased, and matches
// ErrRefused when it can't become one, and ErrChanging when the folder is to be looked at
// again.
func (c Client) Propose(ctx context.Context, booster string, p Proposal) (number uint64, err error) {
	var n numbered
	err = shortFirst(p.Manifest.HasDelta(), func(delta bool) error {
		body, err := proposal(p, delta)
		if err != nil {
			return err
		}
		return c.post(ctx, booster, proposePath, body, &n)
	})
	if err != nil {
		return 0, fmt.Errorf("propose a release to booster %s: %w", booster, err)
	}
	if n.Number != p.Manifest.Number {
		return 0, fmt.Errorf("propose a release to booster %s: it was given number %d, not %d", booster, n.Number, p.Manifest.Number)
	}
	return n.Number, nil
}

// Follow has another booster take over what the active one's sequence has. The error
// is a *history.StaleError when the chain must begin earlier, with the other's head.
func (c Client) Follow(ctx context.Context, booster string, u Update) error {
	err := u.Validate()
	if err == nil {
		err = shortFirst(anyDelta(u.Chain), func(delta bool) error {
			body, err := chainBody(u, u.Chain, delta)
			if err != nil {
				return err
			}
			return c.post(ctx, booster, followPath, body, &struct{}{})
		})
	}
	if err != nil {
		return fmt.Errorf("copy releases to booster %s: %w", booster, err)
	}
	return nil
}

// Act passes on what an operator wants, and returns the number of the release that
// was approved, or of the one that a rollback has made.
func (c Client) Act(ctx context.Context, booster string, act Act, number uint64) (uint64, error) {
	b, err := json.Marshal(order{act, number})
	var n numbered
	if err == nil {
		err = c.post(ctx, booster, actPath, bytes.NewReader(b), &n)
	}
	if err != nil {
		return 0, fmt.Errorf("tell booster %s: %w", booster, err)
	}
	return n.Number, nil
}

// Announce tells other agents of numbered releases, at most MaxAnnounced, each the
// parent of the next. It returns as soon as all agents know or can't be told, and does
// not wait until they have fetched what the releases hold. The error names those that
// can't be told.
func (c Client) Announce(ctx context.Context, agents []string, chain ...*release.Manifest) error {
	bodies := map[bool]func() (*bytes.Buffer, error){
		true:  sync.OnceValues(func() (*bytes.Buffer, error) { return chainBody(nil, chain, true) }),
		false: sync.OnceValues(func() (*bytes.Buffer, error) { return chainBody(nil, chain, false) }),
	}
	short := anyDelta(chain)
	errs := make([]error, len(agents))
	var wg sync.WaitGroup
	for i, agent := range agents {
		wg.Go(func() {
			err := shortFirst(short, func(delta bool) error {
				body, err := bodies[delta]()
				if err != nil {
					return err
				}
				return c.post(ctx, agent, announcePath, bytes.NewReader(body.Bytes()), nil)
			})
			if err != nil {
				errs[i] = fmt.Errorf("announce a release to agent %s: %w", agent, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Publish has an agent publish at once what has changed there, and returns the number
// of the release, 0 when there was nothing to publish.
func (c Client) Publish(ctx context.Context, agent string) (number uint64, err error) {
	var n numbered
	if err := c.post(ctx, agent, publishPath, http.NoBody, &n); err != nil {
		return 0, fmt.Errorf("have agent %s publish: %w", agent, err)
	}
	return n.Number, nil
}

// Standing asks an agent how its files stand.
func (c Client) Standing(ctx context.Context, agent string) (s Standing, err error) {
	if err = c.get(ctx, agent, standingPath, &s); err == nil {
		err = s.Validate()
	}
	if err != nil {
		return Standing{}, fmt.Errorf("ask agent %s how its files stand: %w", agent, err)
	}
	return s, nil
}

// Head asks any node for the newest release that it knows, zero if it knows none.
func (c Client) Head(ctx context.Context, member string) (ref release.Ref, err error) {
	if err = c.get(ctx, member, headPath, &ref); err == nil && ref.Hash.IsZero() != (ref.Number == 0) {
		err = errors.New("a number without a hash, or the other way round")
	}
	if err != nil {
		return release.Ref{}, fmt.Errorf("ask %s for its newest release: %w", member, err)
	}
	return ref, nil
}

// Chain hands the releases after the given number that a node has to take, oldest
// first, one at a time. Old ones may be missing at the beginning. It ends with take's
// first error.
func (c Client) Chain(ctx context.Context, member string, after uint64, take func(*release.Manifest) error) error {
	for n := 0; n < MaxKeep; {
		last, count, err := c.chain(ctx, member, after, take)
		if err != nil {
			return fmt.Errorf("fetch releases after %d from %s: %w", after, member, err)
		}
		if count == 0 {
			return nil
		}
		after, n = last, n+count
	}
	return fmt.Errorf("fetch releases from %s: more than %d", member, MaxKeep)
}

// errTaken ends a chain of which the one release that was wanted has come.
var errTaken = errors.New("it has come")

// Release fetches the release of that name from a node. The error matches
// history.ErrUnknown when the node does not have it.
func (c Client) Release(ctx context.Context, member string, ref release.Ref) (*release.Manifest, error) {
	var m *release.Manifest
	_, _, err := c.chain(ctx, member, ref.Number-1, func(first *release.Manifest) error {
		m = first
		return errTaken
	})
	if err == nil || errors.Is(err, errTaken) {
		err = nil
		if m == nil || m.Ref() != ref {
			err = history.ErrUnknown
		}
	}
	if err != nil {
		return nil, fmt.Errorf("fetch release %s from %s: %w", ref, member, err)
	}
	return m, nil
}

// chain fetches one answer of possibly several.
func (c Client) chain(ctx context.Context, member string, after uint64, take func(*release.Manifest) error) (last uint64, count int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resp, err := c.do(ctx, member, http.MethodGet, chainPath+"?after="+strconv.FormatUint(after, 10), http.NoBody)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	in := newStallReader(resp.Body, func() { cancel(errStalled) })
	for last = after; count < chainCount; count++ {
		m, _, err := readManifest(in, release.MaxManifest, nil)
		if err != nil {
			return 0, 0, because(ctx, err)
		}
		if m == nil {
			return last, count, nil
		}
		if m.Number <= last {
			return 0, 0, fmt.Errorf("release %d comes after release %d", m.Number, last)
		}
		if err := take(m); err != nil {
			return 0, 0, err
		}
		last = m.Number
	}
	return last, count, nil
}

// Blobs fetches contents of files from an agent and hands each to put, which must
// check that it is what the hash says; store.Batch.Put does. What the agent does not
// have is left out without an error. It ends with put's first error: an agent that
// sends something else is not asked for more. ErrBusy says that another agent should
// be asked.
func (c Client) Blobs(ctx context.Context, agent string, files []release.File, put func(r io.Reader, h release.Hash, size int64) error) error {
	for some := range slices.Chunk(files, MaxBlobs) {
		if err := c.blobs(ctx, agent, some, put); err != nil {
			return fmt.Errorf("fetch blobs from agent %s: %w", agent, err)
		}
	}
	return nil
}

func (c Client) blobs(ctx context.Context, agent string, files []release.File, put func(io.Reader, release.Hash, int64) error) error {
	sizes := make(map[release.Hash]int64, len(files))
	want := make(names, 0, len(files))
	for _, f := range files {
		if _, ok := sizes[f.SHA256]; !ok {
			want = append(want, f.SHA256)
		}
		sizes[f.SHA256] = f.Size
	}
	b, err := json.Marshal(want)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream := c
	if c.Stream != nil {
		stream.Do = c.Stream
	}
	resp, err := stream.do(ctx, agent, http.MethodPost, blobsPath, bytes.NewReader(b))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return because(ctx, readBlobs(newStallReader(resp.Body, func() { cancel(errStalled) }), sizes, put))
}

var errStalled = errors.New("the stream stands still")

// because says why ctx ended err, if it did.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errStalled) {
		return fmt.Errorf("%w: %w", errStalled, err)
	}
	return err
}

func (c Client) get(ctx context.Context, member, path string, answer any) error {
	return c.call(ctx, member, http.MethodGet, path, http.NoBody, answer)
}

func (c Client) post(ctx context.Context, member, path string, body io.Reader, answer any) error {
	return c.call(ctx, member, http.MethodPost, path, body, answer)
}

// call sends a request and reads a short answer; nil when there is none.
func (c Client) call(ctx context.Context, member, method, path string, body io.Reader, answer any) error {
	resp, err := c.do(ctx, member, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer == nil {
		return nil
	}
	return control.Decode(resp.Body, maxMessage, answer)
}

// do sends a request and gives refusals their names.
func (c Client) do(ctx context.Context, member, method, path string, body io.Reader) (*http.Response, error) {
	resp, err := c.Do.Send(ctx, member, method, path, body)
	if err != nil {
		return nil, refusal(err)
	}
	return resp, nil
}

// refusal gives an error its name, if it is a refusal that has one.
func refusal(err error) error {
	var r *control.Refusal
	if !errors.As(err, &r) {
		return err
	}
	switch {
	case r.Status == http.StatusConflict:
		return rollout.ErrNotActive
	case r.Status == http.StatusPreconditionFailed:
		var stale history.StaleError
		if err := json.Unmarshal([]byte(r.Text), &stale.Head); err != nil {
			return fmt.Errorf("read which release is the head: %w", err)
		}
		return &stale
	case r.Status == http.StatusFailedDependency:
		return fmt.Errorf("%w: %s", release.ErrNoParent, r.Text)
	case r.Status == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %s", ErrRefused, r.Text)
	case r.Status == http.StatusLocked:
		return fmt.Errorf("%w: %s", ErrChanging, r.Text)
	case r.Status == http.StatusNotFound:
		return fmt.Errorf("%w: %s", history.ErrUnknown, r.Text)
	case r.Status == http.StatusServiceUnavailable && r.Later:
		return ErrBusy
	}
	return err
}
