package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A server that ran while files were gone that are back has none of the releases, by what
// its agent says, and is restarted once, in its turn, without that anything fails.
func TestRestoredServersAreRestarted(t *testing.T) {
	for _, names := range [][]string{{"s2"}, {"s1"}, {"s1", "s2", "s3"}} { // s1 is the lead
		t.Run(strings.Join(names, " "), func(t *testing.T) {
			simulate(t, 2, 3, 1, func(w *world) {
				w.until(10*second, "all are up", w.atRest)
				w.do(func() { w.releases.publish("s2", false) })
				w.until(3*time.Minute, "all have the release", w.releases.allHave)
				var before map[string]int
				stop := w.load(200*time.Millisecond, second)
				w.do(func() {
					before = w.starts()
					for _, name := range names {
						w.server(name).agent.restored = time.Now()
					}
				})
				w.until(3*time.Minute, "the servers are restarted", func() bool {
					return !slices.ContainsFunc(names, func(name string) bool {
						s := w.server(name)
						return s.proc == nil || s.proc.born.Before(s.agent.restored)
					})
				})
				stop()
				w.settled(30 * second)
				w.until(time.Minute, "all have the release again", w.releases.allHave)
				w.do(func() {
					for name, n := range w.starts() {
						want := before[name]
						if slices.Contains(names, name) {
							want++
						}
						if n != want {
							w.problem("%s was started %d times, not %d", name, n, want)
						}
					}
					if len(w.releases.failed) > 0 {
						w.problem("failed: %v", w.releases.failed)
					}
				})
			})
		})
	}
}
