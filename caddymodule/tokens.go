package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/omflow/booster/gossip"
	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/omflow/token"
)

// REST tokens are copied to the other booster, so that clients go on with them after a
// failover: over the cluster's control API, of which both sides are authenticated. They
// hold passwords: they are in memory only, there as here.

const (
	tokensPath = "/tokens/v1/copies"
	// copyEvery is how often what is new is copied.
	copyEvery = 500 * time.Millisecond
	// copyTime bounds one copying.
	copyTime = 2 * time.Second
	// maxCopies bounds a message, in bytes.
	maxCopies = 8 << 20
)

// omflowTokens returns the token broker of OMFLOW's pool, or nil without one.
func omflowTokens() *token.Broker {
	if p := omflowPoolNow(); p != nil {
		return p.tokens
	}
	return nil
}

// copyTokens tells the other boosters of tokens until ctx ends.
func (c *conductor) copyTokens(ctx context.Context) {
	c.each(ctx, copyEvery, "REST tokens could not be copied; it is tried again", c.copyNow)
}

// copyNow tells the other boosters of the tokens that they don't know.
func (c *conductor) copyNow(ctx context.Context) error {
	select {
	case c.copying <- struct{}{}:
		defer func() { <-c.copying }()
	case <-ctx.Done():
		return fmt.Errorf("wait for tokens that are being copied: %w", ctx.Err())
	}
	tokens, others := omflowTokens(), c.others(gossip.KindBooster)
	if tokens == nil || len(others) == 0 {
		c.told = nil
		return nil
	}
	if !slices.Equal(c.told, others) {
		tokens.CopyAll()
	}
	c.told = others
	for more := true; more; {
		var copies []token.Copy
		if copies, more = tokens.Copies(time.Now()); len(copies) == 0 {
			break
		}
		if err := c.sendTokens(ctx, others, copies); err != nil {
			c.told = nil
			return err
		}
	}
	return nil
}

func (c *conductor) sendTokens(ctx context.Context, boosters []string, copies []token.Copy) error {
	body, err := json.Marshal(copies)
	if err != nil {
		return fmt.Errorf("encode tokens: %w", err)
	}
	for _, booster := range boosters {
		if err := c.sendTokensTo(ctx, booster, body); err != nil {
			return fmt.Errorf("copy tokens to booster %s: %w", booster, err)
		}
	}
	return nil
}

func (c *conductor) sendTokensTo(ctx context.Context, booster string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, copyTime)
	defer cancel()
	resp, err := control.Do(c.node.Do).Send(ctx, booster, http.MethodPost, tokensPath, bytes.NewReader(body))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// serveTokens takes the other booster's tokens.
func (c *conductor) serveTokens(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.fromBooster(w, r, "boosters copy tokens"); !ok {
		return
	}
	var copies []token.Copy
	if err := control.Decode(r.Body, maxCopies, &copies); err != nil || len(copies) > token.MaxCopies {
		http.Error(w, "these are no tokens", http.StatusBadRequest) // the error might quote one
		return
	}
	if tokens := omflowTokens(); tokens != nil {
		tokens.TakeCopies(time.Now(), copies)
	}
	w.WriteHeader(http.StatusNoContent)
}
