package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/omflow/booster/internal/control"
	"github.com/omflow/booster/internal/rollout"
)

// Peer tells who sent a request.
type Peer func(*http.Request) (name string, booster, ok bool)

// Booster is what a booster answers.
type Booster interface {
	// Ask answers an agent.
	Ask(rollout.Ask) (rollout.Answer, error)
	// Order takes the orders of the active booster.
	Order(from string, o rollout.Orders) (rollout.Doors, error)
	// SetLead asks for another lead server, see rollout.Coordinator.
	SetLead(server string, gone bool) error
}

// Agent is what an agent answers.
type Agent interface {
	// Journal reads the flow queue's journal, at most rollout.MaxRows rows, and with
	// between which tickets are between two steps.
	Journal(ctx context.Context, between bool) (rollout.Reading, error)
	// Hears reports whether the booster has answered lately.
	Hears() bool
}

// BoosterHandler answers on a booster.
func BoosterHandler(b Booster, peer Peer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+askPath, func(w http.ResponseWriter, r *http.Request) {
		var ask rollout.Ask
		name, booster, ok := peer(r)
		if !take(w, r, &ask) {
			return
		}
		if !ok || booster || ask.Server != name {
			http.Error(w, "an agent asks for its own server only", http.StatusForbidden)
			return
		}
		a, err := b.Ask(ask)
		answer(w, a, err)
	})
	mux.HandleFunc("POST "+ordersPath, func(w http.ResponseWriter, r *http.Request) {
		var o rollout.Orders
		name, booster, ok := peer(r)
		if !ok || !booster {
			http.Error(w, "boosters give orders", http.StatusForbidden)
			return
		}
		if !take(w, r, &o) {
			return
		}
		d, err := b.Order(name, o)
		answer(w, d, err)
	})
	mux.HandleFunc("POST "+leadPath, func(w http.ResponseWriter, r *http.Request) {
		var s setLead
		if _, booster, ok := peer(r); !ok || !booster {
			http.Error(w, "boosters pass on who is to be the lead", http.StatusForbidden)
			return
		}
		if take(w, r, &s) {
			answer(w, struct{}{}, b.SetLead(s.Server, s.Gone))
		}
	})
	return mux
}

// AgentHandler answers on an agent.
func AgentHandler(a Agent) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+journalPath, func(w http.ResponseWriter, r *http.Request) {
		read, err := a.Journal(r.Context(), r.URL.RawQuery == betweenQuery[1:])
		answer(w, read, err)
	})
	mux.HandleFunc("GET "+hearsPath, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, hears{Hears: a.Hears()}, nil)
	})
	return mux
}

// validated is a message that can say what is wrong with it.
type validated interface{ Validate() error }

// take reads and checks a message. It reports false when it has refused it.
func take[T validated](w http.ResponseWriter, r *http.Request, v *T) bool {
	if err := control.Decode(r.Body, maxMessage, v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	if err := (*v).Validate(); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any, err error) {
	switch {
	case errors.Is(err, rollout.ErrNotActive):
		http.Error(w, err.Error(), http.StatusConflict)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	control.Answer(w, v)
}
