// Command bench measures the booster beside HAProxy, nginx and stock Caddy, on this
// machine and in this run, and prints tables. Only ratios within one run mean
// something: absolute figures depend on the machine and on what else it does.
//
//	go run ./tests/bench [-only cpu|flood|patch] [-rounds n] [-peers n] [-by name] [-time d] [-booster path]
//
// Stock Caddy is the same binary with reverse_proxy instead of omflow_booster, so
// that both have the same Go and the same Caddy. HAProxy and nginx are used if they
// are installed.
//
// # cpu
//
// The processor time of the proxy for one keep-alive request with an answer of 1 kB
// and a sticky cookie, on one core of its own, from the kernel's accounting. Three
// trivial servers and the clients share another core. Rounds go round the proxies,
// and the median over rounds is printed.
//
// # flood
//
// Three servers with the speed of OMFLOW Server (one interpreter each, which is
// handed over every 5 ms), a bulk client with 64 creates at once, and 5 users who
// load the home page, poll, and pause for 150 ms. Printed are the users' latencies
// and the creates a second.
//
// # patch
//
// Files are saved in one folder, beside as many others as OMFLOW Server has, and the
// time until all peers have them is taken: the booster's agents staged, ready to be
// applied; lsyncd, csync2, Syncthing, and a loop of inotifywait and rsync, if they are
// installed, in their folders; and a program that copies over TLS, to one peer or to all at
// once, with or without having it on the disk for sure, and does nothing else. All
// run on this machine, without core of their own, so that processor time is the steadier
// figure; rounds go round them.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
