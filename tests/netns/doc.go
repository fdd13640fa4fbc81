// Package netns tests a pair of boosters on a network: each booster, agent and
// client has a network namespace of its own, joined by a bridge, and real
// processes in it. A client opens a connection to the virtual IP every 10 ms
// and tells for how long nobody answered.
//
// The tests need root, the ip command and Linux, and are skipped without.
// PAIR_RUNS says how often each failure is repeated, 5 times if it is not set, and
// PAIR_RATE how many requests a second are sent while the boosters change places as
// planned, 1000 if it is not set.
package netns
