package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/rollout"
)

// Paths of the control API.
const (
	prefix      = "/rollout/v1/"
	askPath     = prefix + "ask"
	ordersPath  = prefix + "orders"
	journalPath = prefix + "journal"
	hearsPath   = prefix + "hears"
	leadPath    = prefix + "lead"
)

// maxMessage bounds what is read of a message, in bytes: orders for 4096 servers with
// short reasons, or MaxRows rows of a journal, which take about 300 each, and some
// hundred more.
const maxMessage = 8 << 20

// Client calls other nodes.
type Client struct {
	// Do sends a request to the named member's control API; gossip.Node.Do does.
	Do control.Do
}

// Ask asks a booster. The error wraps rollout.ErrNotActive when it is not the active
// one.
func (c Client) Ask(ctx context.Context, booster string, ask rollout.Ask) (a rollout.Answer, err error) {
	if err := c.call(ctx, booster, askPath, ask, &a); err != nil {
		return rollout.Answer{}, fmt.Errorf("ask booster %s: %w", booster, err)
	}
	if err := a.Validate(); err != nil {
		return rollout.Answer{}, fmt.Errorf("ask booster %s: %w", booster, err)
	}
	return a, nil
}

// Order gives orders to a booster.
func (c Client) Order(ctx context.Context, booster string, o rollout.Orders) (d rollout.Doors, err error) {
	if err := c.call(ctx, booster, ordersPath, o, &d); err != nil {
		return rollout.Doors{}, fmt.Errorf("give orders to booster %s: %w", booster, err)
	}
	if err := d.Validate(); err != nil {
		return rollout.Doors{}, fmt.Errorf("give orders to booster %s: %w", booster, err)
	}
	return d, nil
}

// betweenQuery asks for tickets between two steps, too.
const betweenQuery = "?between=1"

// Journal has an agent read the flow queue's journal, and with between which tickets are
// between two steps.
func (c Client) Journal(ctx context.Context, agent string, between bool) (read rollout.Reading, err error) {
	path := journalPath
	if between {
		path += betweenQuery
	}
	if err := c.call(ctx, agent, path, nil, &read); err != nil {
		return rollout.Reading{}, fmt.Errorf("have agent %s read the flow queue's journal: %w", agent, err)
	}
	read.Clean()
	return read, nil
}

// hears is what a witness answers.
type hears struct {
	Hears bool `json:"hears"`
}

// Hears asks a witness whether it hears the booster.
func (c Client) Hears(ctx context.Context, agent string) (bool, error) {
	var h hears
	if err := c.call(ctx, agent, hearsPath, nil, &h); err != nil {
		return false, fmt.Errorf("ask witness %s: %w", agent, err)
	}
	return h.Hears, nil
}

// setLead is what one booster passes on to the active one.
type setLead struct {
	Server string `json:"server"`
	Gone   bool   `json:"gone,omitempty"`
}

// Validate refuses what names no server.
func (s setLead) Validate() error {
	if s.Server == "" {
		return errors.New("no server is named")
	}
	return nil
}

// SetLead passes an operator's wish for another lead server on.
func (c Client) SetLead(ctx context.Context, booster, server string, gone bool) error {
	if err := c.call(ctx, booster, leadPath, setLead{server, gone}, &struct{}{}); err != nil {
		return fmt.Errorf("tell booster %s: %w", booster, err)
	}
	return nil
}

// call posts a message, or gets when there is none, and reads the answer.
func (c Client) call(ctx context.Context, member, path string, message, answer any) error {
	err := c.Do.Call(ctx, member, path, message, answer, maxMessage)
	if control.Refused(err, http.StatusConflict) {
		return rollout.ErrNotActive
	}
	return err
}
