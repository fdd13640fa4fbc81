package replica

import "fmt"

// say logs a cause when it is new.
func (r *Replica) say(cause, message string, args ...any) {
	r.mu.Lock()
	quiet := r.said[cause] || len(r.said) >= maxSaid
	if !quiet {
		r.said[cause] = true
	}
	r.mu.Unlock()
	if !quiet {
		r.log.Warn(message, args...)
	}
}

// forget makes a cause new again.
func (r *Replica) forget(cause string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.said, cause)
}

// sayPeer is say for what a peer did.
func (r *Replica) sayPeer(peer, cause, message string, err error) {
	r.say(fmt.Sprintf("peer %s: %s", peer, cause), message, "peer", peer, "error", err)
}
