package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/omflow/booster/internal/control"
)

// Paths of the control API.
const (
	// Prefix begins all paths of the API.
	Prefix     = "/bootstrap/v1/"
	originPath = Prefix + "origin"
)

const (
	// originTime bounds one question: the other side runs Python twice for it.
	originTime = 40 * time.Second
	// sendTime bounds the sending of the answer, at 100 kB/s.
	sendTime = 40 * time.Second
)

// Peer tells who sent a request.
type Peer func(*http.Request) (name string, booster, ok bool)

// Handler answers agents that ask for an Origin. One is made at a time: each runs
// Python. Who has got it is logged.
func Handler(origin func(context.Context) (Origin, error), peer Peer, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	turn := make(chan struct{}, 1)
	mux.HandleFunc("GET "+originPath, func(w http.ResponseWriter, r *http.Request) {
		name, booster, ok := peer(r)
		if !ok || booster {
			http.Error(w, "agents of new servers ask for that", http.StatusForbidden)
			return
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-r.Context().Done():
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), originTime)
		defer cancel()
		o, err := origin(ctx)
		if err == nil {
			err = o.Validate()
		}
		if err != nil {
			log.Warn("a new server can't be given what it needs", "server", name, "error", err)
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Now().Add(sendTime)) // what can't be limited is no connection
		defer func() { _ = rc.SetWriteDeadline(time.Time{}) }()
		log.Info("a new server is given settings.py and this agent's options", "server", name)
		control.Answer(w, o)
	})
	return mux
}

// Client asks other agents.
type Client struct {
	// Do sends a request to the named member's control API; gossip.Node.Do does.
	Do control.Do
	// Agents names the other agents that are alive. It must not wait.
	Agents func() []string
}

// ErrAlone: no other agent is there that could be asked.
var ErrAlone = errors.New("no other server's agent is reached: without `server` this is a new server, which takes its files and settings from another")

// Find returns what the first agent says that has an Origin. The error is ErrAlone, or
// says what each of them said instead.
func (c Client) Find(ctx context.Context) (Origin, error) {
	agents := c.Agents()
	if len(agents) == 0 {
		return Origin{}, ErrAlone
	}
	var errs []error
	for _, agent := range agents {
		o, err := c.Origin(ctx, agent)
		if err == nil {
			return o, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return Origin{}, errors.Join(errs...)
}

// Origin asks one agent.
func (c Client) Origin(ctx context.Context, agent string) (Origin, error) {
	ctx, cancel := context.WithTimeout(ctx, originTime+sendTime)
	defer cancel()
	o, err := c.origin(ctx, agent)
	if err != nil {
		return Origin{}, fmt.Errorf("ask agent %s what a new server needs: %w", agent, err)
	}
	return o, nil
}

func (c Client) origin(ctx context.Context, agent string) (o Origin, err error) {
	resp, err := c.Do.Send(ctx, agent, http.MethodGet, originPath, http.NoBody)
	if err != nil {
		return o, err
	}
	defer resp.Body.Close()
	if o, err = decodeOrigin(resp.Body); err != nil {
		return o, err
	}
	if o.Name != agent {
		return Origin{}, fmt.Errorf("it answers for another server, %.100q", o.Name)
	}
	return o, nil
}

// decodeOrigin reads and checks what a peer sent. The error repeats none of it but what
// Validate shows: it may be a piece of a secret.
func decodeOrigin(r io.Reader) (o Origin, err error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxOrigin+1))
	switch {
	case err != nil:
		return Origin{}, fmt.Errorf("read the answer: %w", err)
	case len(b) > MaxOrigin:
		return Origin{}, fmt.Errorf("read the answer: more than %d bytes", MaxOrigin)
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return Origin{}, errors.New("read the answer: it is not what an agent says")
	}
	return o, o.Validate()
}
