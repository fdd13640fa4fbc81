package boottime

import (
	"testing"
	"time"
)

func TestNowGoesOn(t *testing.T) {
	first, wall := Now(), time.Now()
	for time.Since(wall) < 20*time.Millisecond {
		if now := Now(); now < first {
			t.Fatalf("the clock went back from %v to %v", first, now)
		}
	}
	if passed := Now() - first; passed < 19*time.Millisecond || passed > 10*time.Second {
		t.Errorf("it says that %v passed in some 20 ms", passed)
	}
}
