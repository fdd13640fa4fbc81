package rollout

import (
	"testing"
	"time"
)

// Control requests that follow each other for minutes keep no server from its start with a
// release, which would be taken for a bad one.
func TestReleaseDuringManyChanges(t *testing.T) {
	simulate(t, 2, 3, 1, func(w *world) {
		w.until(10*second, "all are up", w.atRest)
		w.do(func() { w.releases.publish("s3", false) })
		for range 120 {
			w.control()
			w.pass(2 * second)
		}
		w.until(2*time.Minute, "all have it", w.releases.allHave)
		w.until(2*time.Minute, "all are fresh", w.fresh)
		w.do(func() {
			if len(w.releases.failed) > 0 {
				w.problem("releases failed: %v", w.releases.failed)
			}
		})
	})
}
