package rollout

import (
	"testing"
	"time"
)

// The lead server's process dies between a deploy's answer and its release, and the next
// start waits for the flow queue: what was deployed counts for nobody until its agent has
// nothing more to publish, lead server or not.
func TestLeadDiesBeforeTheRelease(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() { w.faulty = true })
		w.control()
		w.watchSeen(1)
		w.pass(500 * time.Millisecond)
		w.do(func() {
			a := w.server("s1").agent
			a.pending, a.changed = true, true
			w.server("s1").proc.kill()
			w.blind = true // so that there is no lead server for a while
		})
		w.pass(3500 * time.Millisecond)
		w.do(func() { w.server("s3").proc.kill() })
		w.pass(4 * second)
		w.do(func() {
			w.releases.publish("s1", false)
			w.server("s1").agent.pending = false
		})
		w.until(2*time.Minute, "all have it", w.releases.allHave)
		w.until(2*time.Minute, "all are fresh", w.fresh)
	})
}
