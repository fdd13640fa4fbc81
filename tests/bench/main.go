// Command bench measures the booster beside HAProxy, nginx and stock Caddy, on this
// machine and in this run, and prints tables. Only ratios within one run mean
// something: absolute figures depend on the machine and on what else it does.
//
//	go run ./tests/bench [-only cpu|flood] [-rounds n] [-time d] [-booster path]
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
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childFlag {
		child(os.Args[2:])
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	only := flag.String("only", "", "cpu or flood; default both")
	rounds := flag.Int("rounds", 5, "rounds of the cpu benchmark")
	span := flag.Duration("time", 0, "how long each measurement takes (default cpu 3s, flood 20s)")
	booster := flag.String("booster", "", "the booster's binary; default: built now")
	flag.Parse()
	if *only != "" && *only != "cpu" && *only != "flood" {
		return fmt.Errorf("-only %s: write cpu or flood", *only)
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the benchmark reads Linux's accounting of processes")
	}
	dir, err := os.MkdirTemp("", "omflow-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if *booster == "" {
		*booster = filepath.Join(dir, "booster")
		build := exec.Command("go", "build", "-o", *booster, "github.com/omflow/booster/cmd/booster")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build the booster: %w", err)
		}
	}
	b := &bench{dir: dir, binary: *booster}
	defer b.stop()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	go func() {
		<-interrupted
		b.stop()
		os.RemoveAll(dir)
		os.Exit(130)
	}()
	if *only != "flood" {
		if err := b.cpu(*rounds, orTime(*span, 3*time.Second)); err != nil {
			return err
		}
	}
	if *only != "cpu" {
		return b.flood(orTime(*span, 20*time.Second))
	}
	return nil
}

func orTime(d, byDefault time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return byDefault
}
