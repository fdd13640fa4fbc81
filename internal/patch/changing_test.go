package patch

import (
	"sync/atomic"
	"testing"
)

// TestChanging: half of what the server is about to write is not published, neither while
// it is at work nor after that; what it has written at the end is, as one release.
func TestChanging(t *testing.T) {
	c, s1, s2 := two(t, content{"a": "1"})
	var held atomic.Int32
	c.mu.Lock()
	c.changing = func() bool {
		n := held.Add(1)
		if n == 3 { // the rest comes in the very moment in which it ends
			s1.write(content{"other half": "2"})
		}
		return n <= 3
	}
	c.mu.Unlock()
	s1.write(content{"half": "1"})
	told := false
	c.wait("it is held back, and tried again", func() bool {
		poke(s1.attempt) // as when a booster is heard of
		// Before the first attempt, what is pending may still be the first release's.
		if held.Load() > 0 && s1.State().Pending == 0 && held.Load() <= 3 && !told {
			t.Error("meanwhile nothing is told to wait")
			told = true
		}
		return held.Load() > 3
	})
	c.numbered(2)
	c.rollOut()
	s2.mustHold(content{"a": "1", "half": "1", "other half": "2"})
	c.quiet()
	if n := c.head().Number; n != 2 {
		t.Errorf("it became %d releases", n-1)
	}
}
