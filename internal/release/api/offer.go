package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/omflow/booster/internal/release"
)

// MaxOffered is how many contents one message offers at most.
const MaxOffered = 16

// Content is what a file holds.
type Content struct {
	SHA256 release.Hash `json:"sha256"`
	Size   int64        `json:"size"` // in bytes
}

// offer is the message of Client.Offer.
type offer []Content

// Validate implements validated.
func (o offer) Validate() error {
	if len(o) == 0 || len(o) > MaxOffered {
		return fmt.Errorf("%d contents are offered, not 1 to %d", len(o), MaxOffered)
	}
	for _, c := range o {
		if c.SHA256.IsZero() || c.Size < 0 {
			return errors.New("a content without a hash or a size is offered")
		}
	}
	return nil
}

// Offer tells other agents of contents, at most MaxOffered, that a release may soon
// name, so that they can fetch them from this agent while that has yet to settle. The
// error names those that can't be told; nothing is lost by that.
func (c Client) Offer(ctx context.Context, agents []string, contents ...Content) error {
	b, err := json.Marshal(offer(contents))
	if err == nil {
		err = offer(contents).Validate()
	}
	if err != nil {
		return fmt.Errorf("offer contents: %w", err)
	}
	errs := make([]error, len(agents))
	var wg sync.WaitGroup
	for i, agent := range agents {
		wg.Go(func() {
			if err := c.post(ctx, agent, offerPath, bytes.NewReader(b), nil); err != nil {
				errs[i] = fmt.Errorf("offer contents to agent %s: %w", agent, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// serveOffer answers Client.Offer.
func (h *handler) serveOffer(w http.ResponseWriter, r *http.Request, a Agent) {
	name, booster, ok := h.peer(r)
	if !ok || booster {
		http.Error(w, "agents offer contents", http.StatusForbidden)
		return
	}
	var o offer
	if take(w, r, maxMessage, &o) {
		a.Offered(name, o)
		w.WriteHeader(http.StatusAccepted)
	}
}
