package sequence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/omflow/booster/internal/release"
)

// Config is what a Sequencer is told.
type Config struct {
	// Dir is the Sequencer's own folder; it is made when it isn't there. Required.
	Dir string
	// Node is this booster's name, from which releases come that it makes. Required.
	Node string
	// Active returns this booster's term and whether it is the active one. It is
	// called often and must not block. Required.
	Active func() (term uint64, active bool)
	// Others returns the names of the nodes that are reached, without this one. It
	// must not block. Required.
	Others func() (boosters, agents []string)
	// Do sends a request to the named member's control API. Required.
	Do func(ctx context.Context, member string, r *http.Request) (*http.Response, error)
	// Marks returns the cluster's marks, SetMark writes and DeleteMark removes one.
	// None may block or call back. Required.
	Marks      func() map[string]string
	SetMark    func(key, value string) error
	DeleteMark func(key string) error
	// Check says why a release must not be published, before it is numbered. Default:
	// it may.
	Check func(*release.Manifest) error
	// Logger gets what operators should know. Required.
	Logger *slog.Logger
}

// Validate refuses what cannot work.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("sequence: no folder")
	case c.Active == nil || c.Others == nil || c.Do == nil || c.Marks == nil || c.SetMark == nil || c.DeleteMark == nil || c.Logger == nil:
		return errors.New("sequence: a part is missing")
	}
	if err := release.CheckOrigin(c.Node); err != nil {
		return fmt.Errorf("sequence: %w", err)
	}
	return nil
}
