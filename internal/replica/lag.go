package replica

import "time"

// onItsWay is how long a file that was just told of counts as on its way, not as missing:
// most are here within two seconds.
const onItsWay = 5 * time.Second

// Lag is what a node may lack of what the others have.
type Lag struct {
	// Missing is how many files other nodes are known to have that are not here in their
	// newest version, leaving out those that came in the last seconds and are on their
	// way. All of them, while the folder may not be the right one.
	Missing int
	// Uncompared is true while more may be missing than is known of: from the start, and from
	// when this node finds others again after it found none, until it has compared with
	// all that are alive. A node that is alone has nobody to compare with, and may lack
	// anything if it has been so from its start.
	Uncompared bool
}

// Lag tells what this node may lack. It waits for no peer and hardly for the disk.
func (r *Replica) Lag() Lag {
	suspicious := r.watcher.Status().Suspicious != ""
	r.mu.Lock()
	defer r.mu.Unlock()
	lag := Lag{Missing: r.index.files, Uncompared: r.leveled.IsZero()}
	if !suspicious {
		// What a comparison has told of was missing before it, and is not on its way only
		// now. Tasks that wait to delete files are counted as well, but never alone.
		asked := time.Now().Add(-onItsWay)
		if r.leveled.After(asked) {
			asked = r.leveled
		}
		lag.Missing = min(r.index.missing, r.queue.overdue(asked))
	}
	return lag
}

// level notes when all peers that are alive have been compared with. Peers that come later
// change nothing, unless there was none: what they have is on its way, or they were away.
// Callers hold mu.
func (r *Replica) level() {
	if len(r.links) == 0 || !r.leveled.IsZero() {
		return
	}
	for _, l := range r.links {
		if !l.known {
			return
		}
	}
	r.leveled = time.Now()
}
