//go:build !race

package replica

// raceEnabled tells that the race detector slows everything down.
const raceEnabled = false
