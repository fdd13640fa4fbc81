package health

// State is what is known of one question about a server.
type State uint8

const (
	// Unknown is the state before the first answer that counts.
	Unknown State = iota
	// Up is the state after enough successes.
	Up
	// Down is the state after enough failures.
	Down
)

// String returns "unknown", "up" or "down".
func (s State) String() string {
	switch s {
	case Up:
		return "up"
	case Down:
		return "down"
	default:
		return "unknown"
	}
}

// RiseFall turns single results into a State by HAProxy's rise and fall rule.
// It has no clock and no lock: the caller feeds it from one goroutine. Values
// of Rise and Fall under 1 count as 1.
type RiseFall struct {
	// Rise is how many successes in a row bring a down server up.
	Rise int
	// Fall is how many failures in a row bring a server down.
	Fall int

	state  State
	streak int // results in a row that speak against state
}

// State returns the present state.
func (r *RiseFall) State() State { return r.state }

// Observe takes one result and reports whether the state changed with it.
func (r *RiseFall) Observe(ok bool) bool {
	if ok == (r.state == Up) && r.state != Unknown {
		r.streak = 0
		return false
	}
	if ok && r.state == Unknown {
		return r.become(Up)
	}
	r.streak++
	if ok && r.streak >= max(r.Rise, 1) {
		return r.become(Up)
	}
	if !ok && r.streak >= max(r.Fall, 1) {
		return r.become(Down)
	}
	return false
}

func (r *RiseFall) become(s State) bool {
	r.state, r.streak = s, 0
	return true
}
